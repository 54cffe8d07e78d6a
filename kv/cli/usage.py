"""--help and --version."""

from kv.about import version_line

USAGE = """\
Usage: kv-cli [OPTIONS] [command [argument ...]]

Without a command, kv-cli reads commands from standard input: a prompt at a terminal, else a line each.

Connection
  -h <host>               Host name or address (default 127.0.0.1)
  -p <port>               Port (default 6379)
  -s <path>               Unix socket, instead of host and port
  -u <uri>                kv://[[user]:password@]host[:port][/db]; valkey:// and redis:// mean the same,
                          kvs://, valkeys:// and rediss:// use TLS
  -t <seconds>            Limit on connecting; fractions allowed, 0 (default) leaves it to the system
  -a, --pass <password>   Password. The environment is safer: KVCLI_AUTH, VALKEYCLI_AUTH or REDISCLI_AUTH
  --user <name>           User of the password (AUTH name password)
  --askpass               Ask for the password on standard input
  --no-auth-warning       No warning about a password in the arguments
  -n <db>                 Database number
  -2, -3                  Protocol: RESP2 or RESP3
  -c                      Follow MOVED and ASK redirections of a cluster
  -4, -6                  Prefer IPv4 or IPv6 addresses of a name

TLS
  --tls                   Connect with TLS
  --cacert <file>         Certificates to trust, instead of the system's
  --cacertdir <folder>    The same, a folder of them
  --cert <file>           Certificate of this client
  --key <file>            Its private key
  --sni <name>            Server name to send
  --tls-ciphers <list>    Ciphers to allow, up to TLS 1.2
  --insecure              Trust any certificate

Commands
  -r <count>              Run the command this many times; negative means without end
  -i <seconds>            Pause between repetitions, between --scan and --stat steps, and in searches
                          after every 100 SCAN calls; fractions allowed
  -x                      Append standard input as the last argument
  -X <tag>                Put standard input in place of the argument <tag>
  -e                      Exit with status 1 when a command fails
  --quoted-input          Read arguments as quoted strings
  --eval <file>           EVAL the Lua script in <file>: kv-cli --eval file key ... , argument ...
  --ldb                   With --eval, step through the script; changes to the data are undone
  --ldb-sync-mode         With --eval, step through it while the server waits; changes stay

Output
  --raw                   Bytes as they are (default unless standard output is a terminal)
  --no-raw                For people, even if it is not
  --csv, --json           One line each; --json uses RESP3 unless -2 is given
  --quoted-json           JSON of ASCII alone, unprintable bytes escaped
  -d <delimiter>          Between elements in raw output (default newline)
  -D <delimiter>          Behind replies in raw output (default newline)
  --show-pushes <yes|no>  Print RESP3 pushes (default yes at a terminal)
  --verbose               Say more

Keys
  --scan                  List the keys
  --bigkeys               Look for keys with many elements
  --memkeys               Look for keys that take much memory
  --memkeys-samples <n>   The same, looking at <n> elements of each key
  --hotkeys               Look for keys used most; needs an LFU maxmemory-policy
  --pattern <pattern>     Only keys that match; --quoted-pattern takes a quoted string
  --type <type>           Only keys of this type
  --count <count>         COUNT of each SCAN (default 10)
  --cursor <cursor>       Where to begin (default 0)

Transfer
  --pipe                  Send raw protocol from standard input, count replies and errors
  --pipe-timeout <s>      Give up after <s> seconds without a reply (default 30, 0 waits forever)
  --rdb <file>            Download a snapshot; - is standard output
  --functions-rdb <file>  The same, of functions alone
  --replica               Show the commands that are sent to replicas

Measurements
  --stat                  Memory, clients, requests: a line a second
  --latency               Time of PING; one result after -i seconds unless at a terminal
  --latency-history       The same, a new line every 15 seconds or -i
  --latency-dist          A spectrum of it in 256 colours, or greys with --mono
  --intrinsic-latency <s> How long this machine keeps a busy process waiting; needs no server
  --lru-test <keys>       Simulate a cache of <keys> keys with an 80-20 distribution

  --help, --version       Print this, or the version

Examples
  kv-cli ping
  kv-cli -u kv://default:secret@localhost:6379/0 info memory
  kv-cli -x set page < page.html
  kv-cli -D "" --raw dump key | kv-cli -x restore copy 0
  kv-cli -r -1 -i 1 info clients
  kv-cli --quoted-input set '"zero-\\x00-byte"' value
  kv-cli --eval script.lua key1 key2 , argument1
  kv-cli --scan --pattern 'user:*' --count 1000
"""


def print_usage() -> int:
    print_version()
    print("\n" + USAGE, end="")
    return 0


def print_version() -> int:
    print(version_line("kv-cli"))
    return 0
