"""The commands.

A command is declared once, next to its body, when its module is imported:

    declare(native(cmd_get), "get", 2, "readonly fast", keys="1 RO access", group="string", since="1.0.0",
            complexity="O(1)", summary="Returns the string value of a key.", args="key")

and a command written in Python with a decorator that takes the same words:

    @command("memory|purge", 2, "", group="server", since="4.0.0", ...)
    def memory_purge(call): ...

From this line come the arity check, the gates (flags), COMMAND INFO, DOCS and GETKEYS, the ACL categories and
kv-cli's hints. A subcommand is "container|name". The forms of `keys` and `args` are described in
kv/_core/runtime/syntax.py; `acl` adds categories that group and flags do not imply ("-x" takes one away),
`tips` are words, `history` is a list of "7.0.0 what changed", `deprecated` is "6.2.0 what to use instead", `member`
is the index of the word that is looked up in the first key's hash, set or sorted set, which pipelines fetch ahead
(engine/prefetch). A declaration that does not make sense raises ValueError, which stops the start-up; arguments are
only looked at closely when somebody asks for them, or a test does.

The registry is the process's: declarations are facts about the program, counters are reset by CONFIG RESETSTAT.
"""
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from kv._core.base.memory cimport memory_alloc, memory_calloc, memory_realloc
from kv._core.base.slice cimport Slice, slice_is, slice_of
from kv._core.runtime.keys cimport keys_compile, keys_listed
from kv._core.runtime.state cimport (
    COMMAND_ADMIN, COMMAND_ALLOW_BUSY, COMMAND_ASKING, COMMAND_BLOCKING, COMMAND_DENYOOM, COMMAND_FAST,
    COMMAND_LOADING, COMMAND_MAX, COMMAND_MAY_REPLICATE, COMMAND_MOVABLEKEYS, COMMAND_NO_ASYNC_LOADING, COMMAND_NO_AUTH,
    COMMAND_NO_MANDATORY_KEYS, COMMAND_NO_MULTI, COMMAND_NOSCRIPT, COMMAND_PREFETCHING, COMMAND_PROTECTED,
    COMMAND_PUBSUB, COMMAND_READONLY, COMMAND_SCRIPT, COMMAND_SKIP_COMMANDLOG, COMMAND_SKIP_MONITOR, COMMAND_STALE,
    COMMAND_SUBSCRIBED,
    COMMAND_UNQUEUED, COMMAND_WRITE, Command, command_body)

import importlib
import os
from importlib.machinery import all_suffixes

from kv._core.runtime.syntax import check_arguments, key_range, parse_arguments, parse_keys

FLAGS = {                       # in the order of COMMAND INFO
    "write": COMMAND_WRITE, "readonly": COMMAND_READONLY, "denyoom": COMMAND_DENYOOM, "admin": COMMAND_ADMIN,
    "pubsub": COMMAND_PUBSUB, "noscript": COMMAND_NOSCRIPT, "blocking": COMMAND_BLOCKING,
    "loading": COMMAND_LOADING, "stale": COMMAND_STALE, "skip_monitor": COMMAND_SKIP_MONITOR,
    "skip_commandlog": COMMAND_SKIP_COMMANDLOG, "asking": COMMAND_ASKING, "fast": COMMAND_FAST,
    "no_auth": COMMAND_NO_AUTH, "no_mandatory_keys": COMMAND_NO_MANDATORY_KEYS,
    "no_async_loading": COMMAND_NO_ASYNC_LOADING, "no_multi": COMMAND_NO_MULTI,
    "movablekeys": COMMAND_MOVABLEKEYS, "allow_busy": COMMAND_ALLOW_BUSY,
    "may_replicate": COMMAND_MAY_REPLICATE, "protected": COMMAND_PROTECTED,
    "subscribed": COMMAND_SUBSCRIBED, "unqueued": COMMAND_UNQUEUED,
    "prefetching": COMMAND_PREFETCHING, "script": COMMAND_SCRIPT, "syscmd": 0,
}
# Not COMMAND INFO's: ours, and the one that only COMMAND DOCS shows.
HIDDEN_FLAGS = {"may_replicate", "protected", "subscribed", "unqueued", "prefetching", "script", "syscmd"}
CATEGORIES = ["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
              "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction",
              "scripting"]
GROUP_CATEGORIES = {
    "string": "string", "hash": "hash", "list": "list", "set": "set", "sorted-set": "sortedset", "stream": "stream",
    "bitmap": "bitmap", "hyperloglog": "hyperloglog", "geo": "geo", "pubsub": "pubsub", "generic": "keyspace",
    "transactions": "transaction", "scripting": "scripting", "connection": "connection"}
FLAG_CATEGORIES = {
    "write": "write", "readonly": "read", "pubsub": "pubsub", "blocking": "blocking", "admin": "admin"}

cdef enum:
    TABLE_SIZE = 1024           # slots of the name table, a power of two, at least twice the names

cdef Command *commands[COMMAND_MAX]
cdef int count = 0
cdef Command *table[TABLE_SIZE]
cdef const char *table_names[TABLE_SIZE]
cdef size_t table_lengths[TABLE_SIZE]

declarations = {}               # full name -> Declaration
by_id = []                      # Declaration, in the order of the commands' ids
named = {}                      # name that clients call a command by -> Declaration: see rename_commands


class Declaration:
    """What was declared of a command; attributes as declare's parameters, and `subcommands` (name -> Declaration)."""

    def __init__(self, name, arity, flags, keys, group, since, complexity, summary, args, acl, tips, history, deprecated):
        self.name, self.arity, self.group, self.since = name, arity, group, since
        self.keys, self.args = keys, args
        self.complexity, self.summary = complexity, summary
        self.acl, self.tips = acl, tips.split()
        self.history = [tuple(entry.split(" ", 1)) for entry in history]
        self.deprecated_since, _, self.replaced_by = deprecated.partition(" ")
        self.subcommands = {}
        self.id = -1
        self.key_specs = parse_keys(keys)
        self.key_range, movable = key_range(self.key_specs)
        self.flags = flags.split() + ["movablekeys"] * movable
        self.is_container = False
        unknown = set(self.flags) - FLAGS.keys()
        if unknown:
            raise ValueError(f"{name}: unknown flags {unknown}")
        if arity == 0:
            raise ValueError(f"{name}: an arity of 0")
        check_arguments(args)

    @property
    def shown_flags(self):
        """The flags of COMMAND INFO, in its order."""
        return [flag for flag in FLAGS if flag in self.flags and flag not in HIDDEN_FLAGS]

    @property
    def arguments(self):
        """The argument tree of COMMAND DOCS; parsed anew each time. ValueError for a bad `args`."""
        return parse_arguments(self.args)

    @property
    def has_keys(self):
        """Whether requests have keys at all; a channel of sharded pub/sub is none."""
        return any(["not_key" not in spec["flags"] for spec in self.key_specs])

    @property
    def categories(self):
        """ACL categories in the order of CATEGORIES: of the group, of the flags, and those named in `acl`."""
        found = set()
        if not self.is_container and self.group in GROUP_CATEGORIES:
            found.add(GROUP_CATEGORIES[self.group])
        found.update([FLAG_CATEGORIES[flag] for flag in self.flags if flag in FLAG_CATEGORIES])
        if "scripting" in found:
            found.discard("read")
        if "admin" in found:
            found.add("dangerous")
        found.add("fast" if "fast" in self.flags else "slow")
        for category in self.acl.split():
            if category.lstrip("-") not in CATEGORIES:
                raise ValueError(f"{self.name}: no ACL category '{category}'")
            if category[0] == "-":
                found.discard(category[1:])
            else:
                found.add(category)
        return [category for category in CATEGORIES if category in found]


cdef object native(command_body body):
    """A compiled body as declare takes it."""
    return <size_t> body


cdef Command *new_command(object declaration, size_t body, object handler) except NULL:
    global count
    cdef Command *command
    cdef bytes name = declaration.name.encode()
    cdef char *kept
    if count == COMMAND_MAX:
        raise ValueError("too many commands")
    command = <Command *> memory_calloc(sizeof(Command))
    kept = <char *> memory_alloc(len(name) + 1)
    memcpy(kept, <const char *> name, len(name) + 1)
    command.name = kept
    command.name_length = len(name)
    command.body = <command_body> body
    if handler is not None:
        Py_INCREF(handler)
        command.handler = <void *> handler
    command.arity = declaration.arity
    command.first_key, command.last_key, command.key_step = declaration.key_range
    command.keys = keys_compile(declaration.name, declaration.key_specs)
    for flag in declaration.flags:
        command.flags |= <uint64_t> FLAGS[flag]
    for category in declaration.categories:
        command.categories |= <uint64_t> 1 << <int> CATEGORIES.index(category)
    command.id = count
    commands[count] = command
    count += 1
    return command


def declare(size_t body, str name not None, int arity, str flags="", *, handler=None, keys="", group="", since="",
            complexity="", summary="", args="", acl="", tips="", history=(), deprecated="", int member=0):
    """Add a command to the registry (see the module's essay). Raises ValueError for a bad declaration."""
    cdef Command *command
    cdef Command *parent = NULL
    if name in declarations or name != name.lower():
        raise ValueError(f"{name}: declared twice, or not in lower case")
    container, bar, child = name.partition("|")
    if bar:
        parent = command_find(slice_of(container.encode(), len(container)))
        if parent == NULL:
            raise ValueError(f"{name}: its container is not declared")
    declaration = Declaration(name, arity, flags, keys, group, since, complexity, summary, args, acl, tips, history,
                              deprecated)
    declaration.is_container = body == 0
    command = new_command(declaration, body, handler)
    declaration.id = command.id
    command.member = member
    declarations[name] = declaration
    by_id.append(declaration)
    if parent != NULL:
        command.parent = parent
        parent.children = <Command **> memory_realloc(parent.children, (parent.child_count + 1) * sizeof(Command *))
        parent.children[parent.child_count] = command
        parent.child_count += 1
        declarations[container].subcommands[child] = declaration
    else:
        named[name] = declaration
        table_add(command.name, command.name_length, command)


def container(str name not None, **docs):
    """Declare a command that only has subcommands."""
    declare(0, name, -2, complexity="Depends on subcommand.", **docs)


def command(str name not None, int arity, str flags="", **docs):
    """Decorator: the function is the body of a command; it takes a Call and returns the reply (see runtime/call)."""
    def decorate(function):
        declare(python_body, name, arity, flags, handler=function, **docs)
        return function
    return decorate


def declare_package(package):
    """Import every module of a package, so that the commands in them are declared: a new command is a new file, and named
    nowhere else."""
    suffixes = all_suffixes()
    for folder in package.__path__:
        for file in sorted(os.listdir(folder)):
            name, dot, suffix = file.partition(".")
            if dot + suffix in suffixes and name != "__init__":
                importlib.import_module(f"{package.__name__}.{name}")


cdef size_t python_body = 0


def set_python_body(size_t body):
    """Given by runtime/call: the body of every command that is written in Python."""
    global python_body
    python_body = body


# -- looking up ---------------------------------------------------------------------------------------------------

cdef inline uint64_t load_word(const char *data, size_t length) noexcept nogil:
    """The first eight bytes, or all of them twice where there are fewer, letters in lower case."""
    cdef uint64_t word = 0
    cdef uint32_t low, high
    if length >= 8:
        memcpy(&word, data, 8)
    elif length >= 4:
        memcpy(&low, data, 4)
        memcpy(&high, data + length - 4, 4)
        word = low | (<uint64_t> high << 32)
    elif length:
        word = <unsigned char> data[0] | (<uint64_t> <unsigned char> data[length // 2] << 8) \
            | (<uint64_t> <unsigned char> data[length - 1] << 16)
    return word | 0x2020202020202020ULL


cdef inline uint32_t name_slot(const char *data, size_t length) noexcept nogil:
    return <uint32_t> ((load_word(data, length) * 0x9e3779b97f4a7c15ULL + length * 0xd6e8feb86659fd93ULL) >> 54)


cdef Command *command_find(Slice name) noexcept nogil:
    """The command of a name in any case, NULL where there is none."""
    cdef uint32_t slot = name_slot(name.data, name.length)
    while table[slot] != NULL:
        if slice_is(name, table_names[slot], table_lengths[slot]):
            return table[slot]
        slot = (slot + 1) & (TABLE_SIZE - 1)
    return NULL


cdef Command *command_find_child(Command *parent, Slice name) noexcept nogil:
    """The subcommand of a name, without its container's."""
    cdef int i
    cdef Command *child
    cdef size_t prefix = parent.name_length + 1
    for i in range(parent.child_count):
        child = parent.children[i]
        if slice_is(name, child.name + prefix, child.name_length - prefix):
            return child
    return NULL


cdef void table_add(const char *name, size_t length, Command *command) noexcept:
    cdef uint32_t slot = name_slot(name, length)
    while table[slot] != NULL:
        slot = (slot + 1) & (TABLE_SIZE - 1)
    table[slot] = command
    table_names[slot] = name
    table_lengths[slot] = length


cdef void fill_table(dict names) except *:
    """The name table anew: names to commands (names are kept alive by `kept_names`)."""
    memset(table, 0, sizeof(table))
    for name, index in names.items():
        kept_names.append(name)
        table_add(name, len(name), commands[<int> index])


kept_names = []


def rename_commands(renames):
    """Apply rename-command: pairs of a name and its new one ("" to take the command away), each to what those before it left.
    Raises ValueError with the complaint."""
    names = {d.name.encode(): d.id for d in by_id if "|" not in d.name}
    for index in names.values():
        commands[<int> index].disabled = False
    for old, new in renames:
        index = names.pop(old.lower().encode(), None)
        if index is None:
            raise ValueError("No such command in rename-command")
        if new == "":
            commands[<int> index].disabled = True
        elif new.lower().encode() in names:
            raise ValueError("Target command name already exists")
        else:
            names[new.lower().encode()] = index
    fill_table(names)
    named.clear()
    named.update({name.decode(): by_id[index] for name, index in names.items()})


cdef Command *command_at(int index) noexcept nogil:
    return commands[index]


cdef int command_count() noexcept nogil:
    return count


def find_keys(declaration, words):
    """[(index of a word that is a key, its flags as COMMAND INFO names them)] of a request of a declared command, whose
    words (bytes) begin with its name. Empty where it is malformed, or has none."""
    return keys_listed(commands[<int> declaration.id].keys, words)
