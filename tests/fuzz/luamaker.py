"""Programs in Lua that nobody would write: every function that scripts have, by its signature, with hostile arguments, in loops,
closures, coroutines, metatables and protected calls.

A signature has a letter for each argument; what stands in a place is now and then something else:

    n number    i small integer     s string    p pattern       r replacement   f format        t table     F function
    c coroutine v any value         j JSON      m MessagePack   z struct's format   w words of a command    k key of a table
"""
from __future__ import annotations

import random

NUMBERS = ["0", "-0", "1", "-1", "2", "3", "7", "0.5", "-1.5", "1e15", "2^31", "2^31-1", "-2^31", "2^32", "2^53", "-2^53-1",
    "2^63", "-2^63", "2^64", "1e100", "1e308", "-1e308", "1e-320", "1/0", "-1/0", "0/0", "255", "256", "65535", "65536",
    "100", "199", "200", "8000", "1000", "-7999", "16", "17", "31", "32", "33", "0x7fffffff", "3.9999999999999996"]
STRINGS = ["''", "'a'", "'abc'", r"'\0'", r"'a\0b'", r"'\255\254'", r"'\r\n'", "'10'", "'-0x10'", "'1e5'", "' 7 '", "'nan'",
    "'inf'", "'key'", "'hash'", "'list'", "'%'", "'%d'", "'[]'", "'{}'", "'err'", "'ok'", "'__index'", "('x'):rep(100)",
    "('ab'):rep(1000)", "('\\0'):rep(5000)", "('x'):rep(70000)", "string.char(27)..'Lua'", "('a'):rep(300)..('b')", "'é€'"]
PATTERNS = ["''", "'.'", "'.-'", "'(.)'", "'()'", "'^a'", "'a$'", "'%a+'", "'[^%s]*'", "'%b()'", "'%f[%w]'",
    "'(a*(.)%w(%s*))'", "'%1'", "'(.)%1'", "'['", "'[a'", "'%'", "'('", "')'", "'(()'", "'[%'", "'[]]'", "'[^]]'", "'[a-]'",
    "'[a-%%]'", "'.-.-x'", "('(.)'):rep(32)", "('(.)'):rep(33)", "('a?'):rep(20)..('a'):rep(3)", "('a?'):rep(250)", "'%z'",
    r"'\0'", "'%d%d?'", "'a-b'", "'[%z\\255]'", "'%f'", "'%b'", "'%bx'"]
FORMATS = ["'%d'", "'%5.2f'", "'%s'", "'%q'", "'%c'", "'%x'", "'%X'", "'%o'", "'%u'", "'%i'", "'%e'", "'%g'", "'%G'", "'%E'",
    "'%%'", "'%99d'", "'%-99.99f'", "'%099.99e'", "'%100d'", "'%.100f'", "'%'", "'%y'", "'% +-#0d'", "'%#x'", "'%5s|%-5s'",
    "'%.3s'", "'%s%s%s'", "'%.99s'", "'%99.99s'", r"'%s\0%s'", "'%5%'", "'%ld'", "'%p'", "'%a'", "'%.20s%q'",
    "('%d'):rep(100)"]
JSON = ["'null'", "'[1,2,3]'", "'{\"a\":1}'", "'[1e400,-1e400]'", "'[NaN,Infinity,-inf]'", "'{\"a\":{\"b\":[{}]}}'",
    "('['):rep(999)", "('['):rep(1000)..(']'):rep(1000)", "('['):rep(1001)..(']'):rep(1001)",
    "('{\"a\":'):rep(500)..'1'..('}'):rep(500)", "'\"\\\\ud83d\\\\ude00\"'", "'\"\\\\ud83d\"'", "'\"\\\\u0000\"'",
    "'[0x10,01,1.]'", "'[1,]'", "'{,}'", "'tru'", "'[\\0]'", "'\"'..('\\\\\\\\'):rep(3000)..'\"'",
    "'[' .. ('1,'):rep(3000) .. '1]'", "'-'", "'1e'", "'[]x'", "' [ ] '", "'{\"a\" 1}'"]
PACKED = [r"'\192'", r"'\147\1\2\3'", r"'\129\161a\1'", r"'\221\255\255\255\255'", r"'\223\255\255\255\255'",
    r"'\219\127\255\255\255'", r"'\217\5ab'", r"'\202\127\192\0\0'", r"'\203\255\240\0\0\0\0\0\0'", r"('\145'):rep(100)",
    r"('\145'):rep(9000)", r"('\129\1'):rep(5000)", r"'\193'", r"'\196\1a'", r"'\199\1\1a'", r"'\211\128\0\0\0\0\0\0\0'",
    r"'\207\255\255\255\255\255\255\255\255'", r"('\1'):rep(9000)", r"'\130\192\1\2\3'", r"'\129\203\127\248\0\0\0\0\0\0\1'"]
STRUCTS = ["'b'", "'B'", "'h'", "'H'", "'l'", "'L'", "'T'", "'i'", "'I'", "'i1'", "'i16'", "'I32'", "'i33'", "'f'", "'d'",
    "'s'", "'c'", "'c0'", "'c5'", "'Bc0'", "'x'", "'<i4>i4'", "'!'", "'!16d'", "'!3d'", "'!1024i'", "'i2147483647'",
    "'c2147483647'", "'c2147483646c2147483646'", "'c99999999999'", "'dLc0'", "('i'):rep(500)", "('c2147483647'):rep(9)",
    "'='", "' b b'", "'%'", "'>I2s'", "'ssss'", "('x'):rep(70000)", "'!8b!8d'", "'I8I8'", "'bbbbbbbb!4i'"]
COMMANDS = ["'get','key'", "'set','key',{s}", "'incr','n'", "'lpush','list',{s},{n}", "'lrange','list',0,-1",
    "'hset','hash',{s},{s}", "'hgetall','hash'", "'sadd','set',{n},{s}", "'smembers','set'", "'zadd','z',{n},{s}",
    "'zrange','z',0,-1,'withscores'", "'xadd','stream','*',{s},{s}", "'xrange','stream','-','+'", "'ping'", "'echo',{s}",
    "'get'", "'nosuch'", "'eval','return 1',0", "'multi'", "'del','key'", "'blpop','list',0", "'command'",
    "'command','docs'", "'type','key'", "'debug','sleep',0", "'append','key',{s}", "'setrange','key',{n},{s}",
    "'getrange','key',{n},{n}", "'object','encoding','key'", "'config','get','*'", "'info'", "'keys','*'", "'scan',0",
    "'expire','key',{n}", "'setbit','key',{n},1", "'bitfield','key','set','u8',0,255", "'dump','list'",
    "'restore','r',0,{s}", "'flushall'", "'lpos','list','a'", "'sort','list','alpha'", "'geoadd','geo',13.3,38.1,{s}",
    "'geosearch','geo','frommember','a','byradius',100,'km'", "'pfadd','hll',{s}", "'pfcount','hll'", "'publish','ch',{s}",
    "'subscribe','ch'", "{s}", "{n}", "{s},{s}", "{s},{n},{v}", "{v}", "", "'zrandmember','z',-5",
    "'hrandfield','hash',-5,'withvalues'", "'lmpop',1,'list','left'", "'client','info'", "'time'", "'function','list'",
    "'script','flush'", "'wait',0,0", "'select',{n}", "'copy','list','list2','replace'", "'mset',{s},{s},{s}",
    "'lcs','key','key2'", "'debug','protocol','attrib'", "'debug','protocol','map'", "'debug','protocol','set'",
    "'debug','protocol','double'", "'debug','protocol','bignum'", "'debug','protocol','verbatim'",
    "'debug','protocol','push'"]
FUNCTIONS = {"assert": "vv", "collectgarbage": "si", "error": "vi", "gcinfo": "", "getmetatable": "v", "ipairs": "t", "load": "Fs",
    "loadstring": "ss", "next": "tk", "pairs": "t", "pcall": "Fvvv", "rawequal": "vv", "rawget": "tk", "rawset": "tkv",
    "select": "ivvv", "setmetatable": "tt", "tonumber": "vi", "tostring": "v", "type": "v", "unpack": "tii", "xpcall": "FF",
    "coroutine.create": "F", "coroutine.resume": "cvv", "coroutine.running": "", "coroutine.status": "c",
    "coroutine.wrap": "F", "coroutine.yield": "vv", "table.concat": "tsii", "table.foreach": "tF", "table.foreachi": "tF",
    "table.getn": "t", "table.insert": "tiv", "table.maxn": "t", "table.remove": "ti", "table.setn": "ti",
    "table.sort": "tF", "string.dump": "F", "string.byte": "sii", "string.char": "iiii", "string.find": "spiv",
    "string.format": "fvvv",
    "string.gfind": "sp", "string.gmatch": "sp", "string.gsub": "spri", "string.len": "s", "string.lower": "s",
    "string.match": "spi", "string.rep": "si", "string.reverse": "s", "string.sub": "sii", "string.upper": "s",
    "math.abs": "n", "math.acos": "n", "math.asin": "n", "math.atan": "n", "math.atan2": "nn", "math.ceil": "n",
    "math.cos": "n", "math.cosh": "n", "math.deg": "n", "math.exp": "n", "math.floor": "n", "math.fmod": "nn",
    "math.frexp": "n", "math.ldexp": "ni", "math.log": "n", "math.log10": "n", "math.max": "nnn", "math.min": "nnn",
    "math.mod": "nn", "math.modf": "n", "math.pow": "nn", "math.rad": "n", "math.random": "nn", "math.randomseed": "n",
    "math.sin": "n", "math.sinh": "n", "math.sqrt": "n", "math.tan": "n", "math.tanh": "n", "bit.arshift": "nn",
    "bit.band": "nnn", "bit.bnot": "n", "bit.bor": "nnn", "bit.bswap": "n", "bit.bxor": "nnn", "bit.lshift": "nn",
    "bit.rol": "nn", "bit.ror": "nn", "bit.rshift": "nn", "bit.tobit": "n", "bit.tohex": "ni", "struct.pack": "zvvvv",
    "struct.size": "z", "struct.unpack": "zsi", "cjson.decode": "j", "cjson.encode": "v", "cjson.new": "",
    "cjson.encode_sparse_array": "vii", "cjson.encode_max_depth": "i", "cjson.decode_max_depth": "i",
    "cjson.encode_number_precision": "i", "cjson.encode_keep_buffer": "v", "cjson.encode_invalid_numbers": "v",
    "cjson.decode_invalid_numbers": "v", "cmsgpack.pack": "vvv", "cmsgpack.unpack": "m", "cmsgpack.unpack_one": "mi",
    "cmsgpack.unpack_limit": "mii", "os.clock": "", "redis.call": "w", "redis.pcall": "w", "server.call": "w",
    "redis.error_reply": "s", "redis.status_reply": "s", "redis.sha1hex": "v", "redis.log": "ivv", "redis.setresp": "i",
    "redis.set_repl": "i", "redis.replicate_commands": "", "redis.acl_check_cmd": "w", "redis.breakpoint": "",
    "redis.debug": "vv", "redis.register_function": "sF"}
# What is left out where two servers are compared: addresses, time, what the server says of itself, what lasts from program to
# program.
INCOMPARABLE = {name for name in FUNCTIONS if name.startswith(("redis.", "server.", "os."))} | {
    "collectgarbage", "gcinfo", "string.dump", "tostring", "coroutine.running", "math.random",
    "cjson.encode_keep_buffer", "load", "loadstring", "error"}
EVENTS = ["__index", "__newindex", "__call", "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm", "__concat",
    "__len", "__eq", "__lt", "__le", "__gc", "__mode", "__metatable", "__tostring"]
# Nothing interrupts one call of a library's function: how long a string gets, and what a pattern is matched against, is bounded.
BOUNDS = ("local limited=function(n) return type(n)=='number' and n>1e6 and 1e6 or n end "
          "local short=function(s) return type(s)=='string' and #s>200 and s:sub(1,200) or s end")
UNARY, BINARY = ["-", "not ", "#"], ["+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", " and ", " or "]
NAMES = ["a", "b", "c", "d", "e"]


class Maker:
    """Makes programs from a seed. `parameters`: how many a function may have before its `...`. `comparable`: what they return or
    raise is the same wherever they run."""

    def __init__(self, seed: int, parameters: int = 20, comparable: bool = False) -> None:
        self.random, self.parameters, self.comparable = random.Random(seed), parameters, comparable
        self.names = [name for name in FUNCTIONS if not comparable or name not in INCOMPARABLE]
        self.depth = 0          # of functions in functions
        self.vararg = True      # `...` can be said here

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def pick(self, choices: list[str]) -> str:
        return self.random.choice(choices)

    # -- expressions --------------------------------------------------------------------------------------------------

    def number(self) -> str:
        kind = self.random.random()
        if kind < 0.5:
            return self.pick(NUMBERS)
        return str(self.random.randrange(-5, 40)) if kind < 0.9 else repr(self.random.uniform(-1e6, 1e6))

    def text(self) -> str:
        kind = self.random.random()
        if kind < 0.7:
            return self.pick(STRINGS)
        if kind < 0.85:
            return "'" + "".join(f"\\{byte:03}" for byte in self.random.randbytes(self.random.randrange(12))) + "'"
        return f"({self.pick(STRINGS)}):sub({self.random.randrange(-9, 9)})"

    def table(self, budget: int) -> str:
        kind = self.random.random()
        if kind < 0.1:
            return self.pick(["{}", "{1,2,3,nil,5}", "{{{{}}}}", "{[1e15]=1}", "{[2^31]=1,[-1]=2}", "{1,2,[4]=3}",
                "{'c','a','b'}", "{a={b={c=1}}}", "{ok='x'}", "{err='E x'}", "{double=1.5}", "{map={a=1}}", "{set={a=true}}",
                "{big_number='1'}", "{verbatim_string={format='txt',string='x'}}", "{err=1}", r"{ok='a\r\nb'}",
                r"{err='a\r\nb'}", "{verbatim_string={format='tx',string=1}}"])
        if kind < 0.2 and not self.comparable:
            return self.pick(["_G", "string", "redis", "cjson", "math", "KEYS", "ARGV", "table", "bit", "coroutine"])
        if kind < 0.3:
            events = ",".join(f"{event}={self.callable(budget - 1) if self.chance(0.7) else self.expression(budget - 1)}"
                              for event in self.random.sample(EVENTS, self.random.randrange(1, 4)))
            return f"setmetatable({self.table(0)},{{{events}}})"
        parts = []
        for _ in range(self.random.choice([0, 1, 2, 3, 5, 8, 20])):
            value = self.expression(budget - 2)
            form = self.random.random()
            parts.append(value if form < 0.6 else f"{self.pick(NAMES)}={value}" if form < 0.8 else f"[{self.key()}]={value}")
        if self.vararg and self.chance(0.05):
            parts.append("...")
        return "{" + ",".join(parts) + "}"

    def key(self) -> str:
        return self.number() if self.chance(0.5) else self.text() if self.chance(0.8) else "true"

    def body(self, budget: int, vararg: bool) -> str:
        outer, self.vararg = self.vararg, vararg
        self.depth += 1
        count = self.random.randrange(3) if self.depth < 4 else 0
        body = " ".join(self.statement(budget - 1) for _ in range(count)) + f" return {self.expressions(budget - 1)}"
        self.depth -= 1
        self.vararg = outer
        return body

    def function(self, budget: int) -> str:
        vararg = self.chance(0.4)
        most = min(self.parameters, 18) if vararg else 40
        count = self.random.choice([0, 0, 1, 2, 3, self.random.randrange(most + 1)])
        if vararg:
            count = min(count, most)
        parameters = [self.pick(NAMES) if self.chance(0.5) else f"p{number}" for number in range(count)] + ["..."] * vararg
        return f"function({','.join(parameters)}) {self.body(budget, vararg)} end"

    def callable(self, budget: int) -> str:
        kind = self.random.random()
        if kind < 0.5 and budget > 0:
            return self.function(budget)
        if kind < 0.9:
            return self.pick(self.names)
        return self.pick(NAMES)

    def coroutine(self, budget: int) -> str:
        if self.chance(0.3):
            return self.pick(NAMES)
        return f"coroutine.create({self.function(budget - 1) if self.chance(0.8) else self.callable(budget - 1)})"

    def words(self, budget: int) -> str:
        words = self.pick(COMMANDS)
        for letter, make in (("s", self.text), ("n", self.number)):
            while "{" + letter + "}" in words:
                words = words.replace("{" + letter + "}", make(), 1)
        return words.replace("{v}", self.expression(budget - 1))

    def argument(self, letter: str, budget: int) -> str:
        if self.chance(0.08):
            letter = self.pick(list("nstFv"))
        if self.chance(0.12):
            return self.pick(NAMES)
        if letter == "t":
            return self.table(budget)
        if letter == "F":
            return self.callable(budget)
        if letter == "c":
            return self.coroutine(budget)
        if letter == "w":
            return self.words(budget)
        if letter == "i":
            return str(self.random.choice([0, 1, 1, 2, 3, 4, 10, -1, -2])) if self.chance(0.7) else self.number()
        if letter == "r":
            return self.pick(["'x'", "'%0'", "'%1'", "'%2'", "'%%'", "'%'", "'%9'", self.text(), self.table(budget),
                self.callable(budget)])
        if letter == "m" and self.chance(0.3):
            return f"cmsgpack.pack({self.expression(budget - 1)})"
        if letter == "j" and self.chance(0.3):
            return f"cjson.encode({self.expression(budget - 1)})"
        listed = {"p": PATTERNS, "f": FORMATS, "j": JSON, "m": PACKED, "z": STRUCTS}.get(letter)
        if listed is not None:
            return self.mangled(self.pick(listed)) if self.chance(0.1) else self.pick(listed)
        if letter == "s":
            return self.text()
        if letter in "nk":
            return self.number() if letter == "n" else self.key()
        return self.expression(budget - 1)

    def mangled(self, text: str) -> str:
        return f"(({text}):sub({self.random.randrange(1, 4)})..{self.text()})"

    def call(self, budget: int) -> str:
        name = self.pick(self.names)
        letters = FUNCTIONS[name]
        count = len(letters)
        if self.chance(0.25):
            count = self.random.randrange(count + 1)
        arguments = [self.argument(letter, budget) for letter in letters[:count]]
        if self.chance(0.03):
            arguments += [self.expression(budget - 1) for _ in range(self.random.randrange(4))]
        if self.vararg and self.chance(0.04):
            arguments.append("...")
        if self.comparable and name == "table.insert" and len(arguments) > 2:
            arguments[1] = self.pick(["-1000", "-1", "0", "1", "2"])    # down to -2^31 it takes minutes elsewhere
        if "p" in letters and arguments:
            arguments[0] = f"short({arguments[0]})"
        if name == "string.rep" and len(arguments) > 1:
            arguments[1] = f"limited({arguments[1]})"
        if letters.startswith("s") and arguments and self.chance(0.15):
            return f"({arguments[0]}):{name.partition('.')[2] or name}({','.join(arguments[1:])})"
        return f"{name}({','.join(arguments)})"

    def expression(self, budget: int) -> str:
        kind = self.random.random()
        if budget <= 0 or kind < 0.15:
            return self.pick([self.number(), self.text(), self.pick(NAMES), "nil", "true", "false"])
        if kind < 0.55:
            return self.call(budget)
        if kind < 0.65:
            return self.table(budget)
        if kind < 0.72:
            return self.callable(budget - 1)
        if kind < 0.76:
            return self.coroutine(budget - 1)
        if kind < 0.80:
            return self.pick(["cjson.null", "KEYS", "ARGV", "KEYS[1]", "ARGV[1]", "#ARGV"]) if not self.comparable else "cjson.null"
        if kind < 0.84:
            return f"({self.expression(budget - 1)})[{self.expression(budget - 1)}]"
        if kind < 0.88:
            return f"({self.pick(UNARY)} {self.expression(budget - 1)})"
        if kind < 0.91 and self.vararg:
            return self.pick(["...", "(...)", "select('#',...)", "{...}"])
        if kind < 0.94:
            return f"pcall({self.callable(budget - 1)},{self.expressions(budget - 1)})"
        return f"({self.expression(budget - 1)} {self.pick(BINARY)} {self.expression(budget - 1)})"

    def expressions(self, budget: int) -> str:
        return ",".join(self.expression(budget) for _ in range(self.random.choice([1, 1, 1, 2, 3])))

    # -- statements ---------------------------------------------------------------------------------------------------

    def block(self, budget: int) -> str:
        return " ".join(self.statement(budget - 1) for _ in range(self.random.randrange(1, 4)))

    def statement(self, budget: int) -> str:
        kind = self.random.random()
        if budget <= 0 or kind < 0.35:
            return f"{self.pick(NAMES)}={self.expression(budget)};"
        if kind < 0.5:
            return f"pcall(function() {self.body(budget, False)} end)"
        if kind < 0.6:
            return f"local {self.pick(NAMES)},{self.pick(NAMES)}={self.expressions(budget)};"
        if kind < 0.66:
            return f"if {self.expression(budget - 1)} then {self.block(budget - 1)} else {self.block(budget - 1)} end"
        if kind < 0.72:
            return f"for i=1,{self.random.choice([1, 3, 10, 50])} do {self.block(budget - 1)} end"
        if kind < 0.78:
            walk = f"{self.pick(['pairs', 'ipairs', 'next,'])}({self.table(budget - 1)})"
            return f"for k,v in {walk} do {self.block(budget - 1)} if k==9 then break end end"
        if kind < 0.82:
            return f"local function f(...) {self.body(budget, True)} end {self.pick(NAMES)}=f;"
        if kind < 0.86:
            wrap = f"for i=1,{self.random.choice([2, 9, 40, 300])} do t={{t,{self.expression(0)}}} end"
            return f"do local t={self.table(budget)} {wrap} {self.pick(NAMES)}=t end"
        if kind < 0.88:
            return f"do local t={{}} t[1]=t t.a=t t[t]=t {self.pick(NAMES)}=t end"
        if kind < 0.92:
            outer, self.vararg = self.vararg, False
            value, self.vararg = self.expression(budget - 1), outer
            return f"pcall(function() {self.pick(NAMES)}[{self.key()}]={value} end)"
        if kind < 0.95:
            call = self.expression(budget - 1)
            return f"{self.pick(NAMES)}=coroutine.wrap(function(...) for i=1,9 do coroutine.yield({call}) end end);"
        return self.unlikely(budget)

    def unlikely(self, budget: int) -> str:
        """What goes on for long, or goes deep."""
        if self.comparable:
            return f"a=pcall(function() {self.body(budget - 1, False)} end);"
        return self.pick(["while true do pcall(function() while true do end end) end",
            "while true do xpcall(function() error({}) end,function() while true do end end) end",
            "local function f() return f()+1 end pcall(f)", "local function f(...) return f(1,...) end pcall(f)",
            "local function f() pcall(f) f() end f()", "local t={} while true do t[#t+1]=('x'):rep(1000)..#t end",
            "local s='x' while true do s=s..s end", "a=string.rep('x',2^20):rep(limited(2^30))",
            "local t=setmetatable({},{__index=function(t,k) return t[k+1] end}) pcall(function() return t[1] end)",
            "local c c=coroutine.wrap(function() c() end) pcall(c)",
            "local function f() local c=coroutine.wrap(f) c() end pcall(f)", "local t={} for i=1,20 do t={t,t} end return t",
            "local c=coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
            "collectgarbage('setpause',0) collectgarbage('setstepmul',1000000)", "collectgarbage('stop')",
            "collectgarbage('step',1000000)", "for i=1,1e9 do redis.pcall('incr','n') end",
            "for i=1,3000 do a={a,i..'',{}} end", "return coroutine.yield(1)", "a=('x'):rep(3000):find('.-y')",
            "for i=1,1000 do loadstring('return '..i)() end",
            "error(setmetatable({},{__index=function() error({}) end,__tostring=function() error({}) end}))",
            "string.gsub(('x'):rep(99),'.',function(c) return string.gsub(c,'.',function() error('e') end) end)",
            "table.sort({3,1,2,5,4},function() return true end)",
            "local t={} for i=1,200 do t[i]='s'..i end table.sort(t,function(a,b) t[#t+1]=1 return a<b end)",
            "local t={1,2,3} for k in pairs(t) do t[k]=nil t[k+100]=1 end", "a=unpack({},1,7900)",
            "a=string.format(('%99.99f'):rep(50),unpack({},1,50))"])

    # -- whole programs -----------------------------------------------------------------------------------------------

    def opening(self) -> str:
        return BOUNDS + " local a,b,c,d,e\n" + "\n".join(
            f"pcall(function() {name}={make} end)" for name, make in
            zip(NAMES, [self.table(2), self.text(), self.number(), self.function(2), self.coroutine(2)], strict=True))

    def guarded(self, budget: int) -> str:
        """A statement that an error in it does not end the program."""
        statement = self.statement(budget)
        if self.chance(0.05) or statement.startswith("local"):
            return statement
        return f"{'pcall' if self.chance(0.8) else 'xpcall'}(function() {statement} end,{self.callable(1)})"

    def program(self) -> str:
        self.vararg = False
        budget = self.random.choice([2, 3, 3, 4, 5])
        statements = "\n".join(self.guarded(budget) for _ in range(self.random.randrange(1, 10)))
        return f"{self.opening()}\n{statements}\nreturn {self.expressions(budget if self.chance(0.3) else 1)}"

    def comparable_body(self) -> str:
        """Of a function, in one line."""
        self.vararg = True
        statements = " ".join(self.statement(3) for _ in range(self.random.randrange(3)))
        return (f"{BOUNDS} math.randomseed(7) local a,b,c,d,e={self.table(1)},{self.text()},{self.number()},{self.function(1)},nil "
                f"{statements} return {self.expressions(3)}").replace("\n", " ")

    def library(self, good: bool) -> str:
        """For FUNCTION LOAD; a good one has the functions f, g and h."""
        lines = ["#!lua name=" + ("lib" if good else self.pick(["lib", "lib", "other", "x", "b-d", ""])),
                 BOUNDS + " local a,b,c,d,e={1,2,x={}},'text',7,function(...) return ... end,nil"]    # no pcall is there yet
        names = ["f", "g", "h"] if good else self.random.choices(["f", "g", "h", "F", "a_b", "a b"], k=self.random.randrange(4))
        for name in names:
            if self.chance(0.6):
                lines.append(f"redis.register_function('{name}',{self.function(4)})")
            else:
                flags = self.pick(["{}", "{'no-writes'}", "{'allow-oom','allow-stale'}", *["{1}", "{'x'}", "1"] * (not good)])
                lines.append(f"server.register_function{{function_name='{name}',callback={self.function(4)},flags={flags},"
                             f"description={self.text()}}}")
        if not good and self.chance(0.3):
            lines.append(self.guarded(3))
        return "\n".join(lines)
