"""The structs that a running engine is made of: sessions, commands, the context of one command, the runtime.

Nothing here is a Python object, save the handlers of commands written in Python, which the registry keeps alive."""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from kv._core.base.blob cimport Blob
from kv._core.base.buffer cimport Buffer
from kv._core.base.slice cimport Slice
from kv._core.containers.hashtable cimport Hashtable
from kv._core.keyspace.evict cimport EvictionPool
from kv._core.keyspace.keyspace cimport Database, Keyspace
from kv._core.resp.parser cimport Arguments, Parser
from kv._core.resp.reply cimport Reply
from kv._core.runtime.keys cimport KeySpecs

cdef enum CommandFlag:          # as COMMAND INFO names them, in lower case
    COMMAND_WRITE = 1 << 0
    COMMAND_READONLY = 1 << 1
    COMMAND_DENYOOM = 1 << 2
    COMMAND_ADMIN = 1 << 3
    COMMAND_PUBSUB = 1 << 4
    COMMAND_NOSCRIPT = 1 << 5
    COMMAND_BLOCKING = 1 << 6
    COMMAND_LOADING = 1 << 7
    COMMAND_STALE = 1 << 8
    COMMAND_SKIP_MONITOR = 1 << 9
    COMMAND_SKIP_COMMANDLOG = 1 << 10
    COMMAND_ASKING = 1 << 11
    COMMAND_FAST = 1 << 12
    COMMAND_NO_AUTH = 1 << 13
    COMMAND_MAY_REPLICATE = 1 << 14
    COMMAND_NO_ASYNC_LOADING = 1 << 15
    COMMAND_NO_MULTI = 1 << 16
    COMMAND_MOVABLEKEYS = 1 << 17
    COMMAND_ALLOW_BUSY = 1 << 18
    COMMAND_NO_MANDATORY_KEYS = 1 << 19
    COMMAND_PROTECTED = 1 << 20     # refused unless enable-...-command allows it
    COMMAND_SUBSCRIBED = 1 << 21    # allowed to a RESP2 client that is subscribed
    COMMAND_UNQUEUED = 1 << 22      # runs at once inside MULTI
    COMMAND_PREFETCHING = 1 << 23   # its body fetches its keys ahead
    COMMAND_SCRIPT = 1 << 24        # what it may do is said by the script that it names

cdef enum SessionFlag:
    SESSION_CLOSE_AFTER_REPLY = 1 << 0  # closed once its output is sent
    SESSION_DOOMED = 1 << 1             # closed at the end of the turn, output or not
    SESSION_BLOCKED = 1 << 2            # waits; its input is read and kept
    SESSION_POSTPONED = 1 << 3          # ... for CLIENT PAUSE to end
    SESSION_MONITOR = 1 << 4            # is fed every command
    SESSION_REPLY_OFF = 1 << 5          # CLIENT REPLY OFF
    SESSION_REPLY_SKIP = 1 << 6         # no reply to the command that runs
    SESSION_REPLY_SKIP_NEXT = 1 << 7    # CLIENT REPLY SKIP: nor to the one after it
    SESSION_NO_EVICT = 1 << 8           # CLIENT NO-EVICT
    SESSION_NO_TOUCH = 1 << 9           # CLIENT NO-TOUCH
    SESSION_UNIX = 1 << 10              # came by the unix socket
    SESSION_MULTI = 1 << 11             # in a transaction
    SESSION_SUBSCRIBED = 1 << 12        # has a subscription
    SESSION_EXEMPT = 1 << 13            # Session.exempt is not empty
    SESSION_READY = 1 << 14             # in the runtime's list of sessions with something to send
    SESSION_WANTS_WRITE = 1 << 15       # its socket was full: the poller tells when it can take more
    SESSION_IN_DOOMED = 1 << 16         # in the runtime's list of sessions to close
    SESSION_PENDING_INPUT = 1 << 17     # has complete requests left from an earlier turn
    SESSION_LOOPBACK = 1 << 18          # its peer is this machine
    SESSION_IMPORT_SOURCE = 1 << 19     # CLIENT IMPORT-SOURCE: sees keys whose time has come
    SESSION_REDIRECT = 1 << 20          # CLIENT CAPA REDIRECT
    SESSION_HELD = 1 << 22              # its replies wait for the position that they depend on
    SESSION_SENDS_BIG = 1 << 23         # its last request had an argument that was received into a block of its own
    SESSION_READONLY = 1 << 21          # READONLY: would read from a replica
    SESSION_RUNNING = 1 << 24           # its command runs while others are served: neither read nor closed meanwhile
    SESSION_DEBUG = 1 << 25             # SCRIPT DEBUG: its next EVAL is a debugging session
    SESSION_DEBUG_SYNC = 1 << 26        # ... in the server itself, not in a child of it
    # what the dispatcher's short way does not know
    SESSION_SPECIAL = SESSION_IMPORT_SOURCE | SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT \
        | SESSION_MULTI | SESSION_SUBSCRIBED | SESSION_NO_TOUCH | SESSION_EXEMPT

cdef enum Caller:               # who sends a session's commands
    CALLER_CLIENT               # somebody at the other end of a transport
    CALLER_PROGRAM              # the program that embeds the engine
    CALLER_FILE                 # the append-only file: it is the past, which was accepted then
    CALLER_SCRIPT               # a script or a function: in a session that nobody sees

cdef enum Exemption:            # what a caller's commands are not held to
    EXEMPT_ACCESS = 1 << 0      # authentication, enable-debug-command and their like
    EXEMPT_STATE = 1 << 1       # the server's: it loads, can't write its AOF, has too few replicas
    EXEMPT_PAUSE = 1 << 2       # CLIENT PAUSE
    EXEMPT_MEMORY = 1 << 3      # maxmemory
    EXEMPT_SIZES = 1 << 4       # limits on the sizes of values
    EXEMPT_WAITING = 1 << 5     # waiting: they answer as if their time were over
    EXEMPT_ALL = (1 << 6) - 1

cdef enum Attempt:              # which run of a command's body this is
    FIRST_ATTEMPT = 0
    FURTHER_ATTEMPT             # its session waits, and what it waits for has changed
    LAST_ATTEMPT                # ... its time is over, or CLIENT UNBLOCK ended the wait: it must answer

cdef enum Awaited:              # how a wait for a debugging client ends
    AWAITED_CLIENT              # its socket can be read, or written to
    AWAITED_TIMEOUT
    AWAITED_STOP                # the session is to end

cdef enum Closing:              # why a session is closed that did not ask for it
    CLOSING_EVICTED             # maxmemory-clients
    CLOSING_INPUT               # client-query-buffer-limit
    CLOSING_OUTPUT              # client-output-buffer-limit
    CLOSING_BROWSER             # it sends what only a browser does

cdef enum Alert:                # why the dispatcher must look closer at each command
    ALERT_LOADING = 1 << 0      # the dataset is being read
    ALERT_MAXMEMORY = 1 << 1    # a limit on memory is set
    ALERT_WRITE_ERROR = 1 << 2  # the AOF can't be written
    ALERT_PAUSED_ALL = 1 << 3   # CLIENT PAUSE ALL
    ALERT_PAUSED_WRITES = 1 << 4
    ALERT_MONITORS = 1 << 5     # somebody runs MONITOR
    ALERT_CLIENT_LIMIT = 1 << 6  # maxmemory-clients is set
    ALERT_FEW_REPLICAS = 1 << 7  # less replicas keep up than min-replicas-to-write asks for
    ALERT_SAVE_ERROR = 1 << 8   # the last snapshot failed (stop-writes-on-bgsave-error)
    ALERT_BUSY = 1 << 9         # a script runs on and on, and others are served in the middle of it

cdef enum CommandLogKind:       # whose threshold a command passed
    LOG_SLOW = 1 << 0
    LOG_LARGE_REQUEST = 1 << 1
    LOG_LARGE_REPLY = 1 << 2

cdef enum ClientClass:          # of client-output-buffer-limit
    CLASS_NORMAL = 0
    CLASS_REPLICA = 1
    CLASS_PUBSUB = 2
    CLASS_COUNT = 3

cdef enum:
    ARENA_KEEP = 1 << 20        # bytes of the reply arena that are kept between turns at most
    ARENA_SMALL = 64 * 1024     # ... and at least
    ARENA_SHARE = 1 << 20       # bytes of replies that a session may have in the arena
    UNAUTHENTICATED_OUTPUT = 1024  # bytes that may wait for a session that is not authenticated
    OUTPUT_BLOCK = 16 * 1024    # a block of pending output has at least so many bytes at a session that is busy
    OUTPUT_BLOCK_LEAST = 1024   # ... at one whose replies are small, or whose output only begins
    CLIENT_BUCKETS = 19         # sessions by the memory they take, see runtime/footprint
    LATENCY_BUCKETS = 27 * 32   # see runtime/latency
    ERROR_KINDS = 128           # error codes that INFO errorstats counts apart, before what scripts make up is counted as one
    ERROR_KINDS_OWN = 64        # ... and so many more of the server's own
    COMMAND_MAX = 512           # commands that can be declared

cdef enum ErrorOrigin:
    ERROR_OF_SERVER
    ERROR_OF_SCRIPT             # its code may be anything
    ERROR_COUNTED               # a script passes on what a command of it replied: it is in the figures

cdef struct OutputBlock:        # pending output of a session: text, and behind it may be bytes of a large value
    OutputBlock *next
    size_t length               # bytes of text filled
    size_t capacity             # bytes of text that fit
    Blob *held                  # whose bytes are sent from where they stand, NULL: there is only text
    Slice value                 # the bytes of it that follow the text
    char data[1]                # the text; the block goes on

cdef struct Transport:          # how a session's bytes come and go: a socket, later TLS over one
    # into a buffer: bytes received, 0 for nothing there now, -1 for a connection that is gone
    ssize_t (*receive)(Session *session, char *into, size_t room) noexcept nogil
    # bytes taken, fewer than all where it can't take more now, -1 for a connection that is gone
    ssize_t (*send)(Session *session, const char *data, size_t length) noexcept nogil
    # the same of several stretches, sent one after the other
    ssize_t (*send_parts)(Session *session, const Slice *parts, int count) noexcept nogil
    # bytes that came and that the poller does not tell of any more; NULL: there never are any
    size_t (*pending)(const Session *session) noexcept nogil
    # part of a large argument came: have the peer send on at once
    void (*acknowledge)(Session *session) noexcept nogil

cdef struct Session:
    uint64_t id                 # CLIENT ID, never reused
    const Transport *transport  # NULL: it has no peer, its commands come from this process
    int fd                      # its socket, -1 for none
    uint32_t caller             # Caller
    uint32_t exempt             # Exemption bits
    uint32_t resp               # RESP version, 2 or 3
    uint64_t flags              # SessionFlag
    Runtime *runtime
    Database *database          # selected
    bint authenticated          # may run commands
    bint trusted                # was authenticated once: its output is not limited as a stranger's is
    Parser parser               # the request that is being received
    Arguments partial           # its arguments so far, when it takes more than one read
    Buffer input                # bytes received and not consumed
    size_t input_wanted         # room to make: after a big argument the next may be big too
    size_t input_at             # how many of them are consumed
    size_t arena_start          # this turn's replies in the runtime's arena
    size_t arena_length
    OutputBlock *output         # what could not be sent, oldest first
    OutputBlock *output_last
    size_t output_sent          # bytes of the first block that are sent, of its text and then of its value
    size_t output_bytes         # bytes pending in blocks, with their headers and the values that are held
    uint32_t output_blocks      # how many
    uint32_t reply_room         # least bytes of its next block: follows the replies of late (rbs of CLIENT LIST)
    uint32_t reply_peak         # most bytes of replies that it had at once lately, at most OUTPUT_BLOCK
    int64_t reply_peak_ms       # unix time when that began anew
    int64_t soft_limit_since_ms  # when the output passed its soft limit, 0: it has not
    Blob *name                  # CLIENT SETNAME, NULL for none
    Blob *library_name          # CLIENT SETINFO
    Blob *library_version
    Blob *peer                  # "address:port" as CLIENT LIST prints it
    Blob *local                 # the server's side of it
    Blob *user                  # name of the ACL user, NULL: default
    int64_t created_ms          # unix time
    int64_t active_ms           # unix time of the last byte in or out
    Command *last_command       # NULL: none yet
    uint64_t commands           # run for it
    uint64_t bytes_in
    uint64_t bytes_out
    uint32_t class_             # ClientClass
    uint64_t input_peak         # most bytes of input held at once lately
    Session *next               # all sessions, oldest first
    Session *previous
    Session *next_ready         # lists of the turn; next_ready also of those whose replies are held
    Session *next_doomed
    Session *next_postponed
    Session **postponed_link    # the pointer that points to it in that list
    Session *next_pending
    Session **pending_link
    Session *next_monitor       # sessions that run MONITOR, the newest first
    Session **monitor_link
    size_t counted_bytes        # what it counts for in Runtime.client_bytes
    uint32_t counted_class      # ... of this ClientClass
    int bucket                  # in Runtime.client_buckets, -1: in none
    Session *next_in_bucket
    Session *previous_in_bucket
    void *transaction           # MULTI's queue
    void *subscriptions
    void *waiting               # the Wait of a command that is blocked
    uint64_t write_position     # in the log of effects, behind the last ones that it caused
    uint64_t reply_position     # ... that its replies depend on: they leave once that is safe
    void *tracking

ctypedef void (*command_body)(Context *c) noexcept nogil

cdef struct Command:
    const char *name            # full name in lower case: "get", "config|set"
    size_t name_length
    command_body body
    void *handler               # the Python function of a command written in Python, else NULL
    int arity                   # words with the name; negative: at least so many
    uint64_t flags              # CommandFlag
    int first_key               # index of the first key, 0: none
    int last_key                # of the last, negative: from the end
    int key_step
    KeySpecs *keys              # where its keys are
    int member                  # index of the word that is looked up in the first key's collection, 0: none
    uint64_t categories         # ACL categories, a bit each
    uint32_t id                 # index in the registry
    Command *parent             # of a subcommand
    Command **children          # subcommands of a container
    int child_count
    bint disabled               # renamed to ""

cdef struct CommandStatistics:  # of one command in one engine
    uint64_t calls
    uint64_t ticks              # time spent in it
    uint64_t rejected           # refused before it ran
    uint64_t failed             # answered with an error
    uint32_t *latency           # histogram of its durations, NULL until first used

cdef struct Request:            # one parsed request of a batch
    size_t first                # index of its arguments in the batch's array
    Slice *argv                 # its arguments
    int argc
    Command *command            # looked up ahead, NULL: not known
    uint64_t key_hash           # of its first key
    const char *raw             # its bytes as received, NULL where they are not one stretch
    size_t raw_length           # bytes it took of the input
    size_t end                  # where it ends in the input that is being run

cdef enum:
    WINDOW = 64                 # requests that are parsed ahead

cdef struct Window:             # what the input of all sessions is read into and parsed in; one session's at a time
    char *chunk                 # bytes read from a transport
    Arguments arguments         # of the window's requests
    Request requests[WINDOW]

cdef struct Context:            # what a body works with
    Runtime *runtime
    Keyspace *keyspace
    Session *session
    Database *database
    Command *command
    Slice *argv                 # the command's words, its name first
    int argc
    Reply reply
    size_t elsewhere            # bytes of the reply that are sent from where they stand, and are not in reply.out
    uint64_t key_hash           # hash of argv[hashed]
    int hashed                  # index of the argument whose hash is known, 0: none
    const char *raw             # the request's bytes, for propagation as it came; NULL: rewritten or inline
    size_t raw_length
    bint propagated             # the body said itself what goes to the AOF and replicas
    bint block                  # the body made the session wait: no reply, no statistics yet
    Attempt attempt             # not the first one: its session waits

cdef struct ErrorKind:
    char code[32]               # its first word, terminated
    uint64_t count

cdef struct OutputLimit:        # client-output-buffer-limit of a class
    uint64_t hard               # bytes, 0: none
    uint64_t soft
    int64_t soft_seconds

cdef struct Statistics:         # of INFO; reset by CONFIG RESETSTAT
    uint64_t connections
    uint64_t rejected_connections
    uint64_t commands
    uint64_t bytes_in
    uint64_t bytes_out
    uint64_t reads              # turns in which a socket was read
    uint64_t writes             # ... was written
    uint64_t errors             # error replies
    uint64_t query_limit_closed  # clients closed for too much input
    uint64_t output_limit_closed  # ... output
    uint64_t evicted_clients
    uint64_t reply_shrinks      # Session.reply_room made smaller
    uint64_t reply_expands      # ... larger
    uint64_t auth_failures
    uint64_t over_limit_us      # time that used memory was over maxmemory, up to when it last was within it
    int64_t over_limit_since_us  # since when it is over it, by clock_us; 0: it is not
    uint64_t timed_out          # CONFIG timeout
    uint64_t turns              # of the loop
    uint64_t loop_ticks         # time of turns, without waiting
    uint64_t loop_ticks_most    # ... of the longest
    uint64_t turn_commands_most  # commands in one turn
    uint64_t aof_ticks          # time that effects took to be written

cdef struct Unit:               # effects that are applied as a whole, see runtime/propagation
    uint64_t start              # position where it begins
    uint32_t count              # commands in it
    bint loose                  # they need no MULTI around them: each stands on its own account
    Unit *outer                 # the unit that it is part of, NULL: none

cdef struct LogReader:          # somebody who follows the log of effects
    uint64_t position           # up to which it has taken them
    uint64_t limit              # bytes that it may be behind, 0: any number
    bint lost                   # it was further behind
    LogReader *next

cdef struct Propagation:        # the log of effects
    Buffer bytes                # those that a reader has not taken
    uint64_t base               # position of the first of them in all that was ever appended
    int database                # number of the database that the last one stands in, -1: a SELECT is due
    Unit *unit                  # the innermost open one, NULL: none
    int muted                   # what runs is not to be logged: redis.set_repl
    LogReader *readers          # NULL: nobody wants effects
    uint64_t safe               # replies that depend on positions up to here may leave

cdef enum:
    RECENT_SECONDS = 8          # for which the largest buffers of clients are remembered

cdef struct Runtime:
    Keyspace keyspace
    EvictionPool pool
    Session *sessions           # oldest first
    Session *sessions_last
    Hashtable sessions_by_id    # the same
    uint64_t session_count
    uint64_t next_session_id
    uint64_t blocked_count
    uint64_t answers_awaited    # ever, by commands whose reply comes later
    Session *ready              # sessions with something to send
    Session *held               # ... whose replies depend on a position that is not safe yet
    Session *doomed             # to be closed at the end of the turn
    Session *postponed          # waiting for CLIENT PAUSE to end
    Session *pending            # no longer waiting: their input is run in the next turn
    Session *monitors           # sessions that run MONITOR
    uint32_t alerts             # Alert bits
    uint64_t last_ticks         # when the last command ended
    CommandStatistics command_statistics[COMMAND_MAX]   # by Command.id
    Window *window              # what input is parsed in (engine/serve), NULL until there is some
    Buffer arena                # replies of this turn
    size_t arena_peak           # most bytes that were in it lately
    size_t arena_keep           # bytes of it that are kept between turns: follows the peak
    Session *arena_owner        # whose requests run: the arena's end is its
    Propagation propagation
    bint replaying              # the AOF is being read: nothing is propagated
    bint requires_password
    uint64_t maxmemory          # bytes, 0: no limit
    int maxmemory_samples
    int eviction_tenacity
    int64_t bulk_limit          # proto-max-bulk-len
    uint64_t query_limit        # client-query-buffer-limit
    OutputLimit output_limits[CLASS_COUNT]
    uint64_t client_limit       # maxmemory-clients in bytes, 0: none
    uint64_t client_bytes[CLASS_COUNT]  # what sessions take while there is such a limit
    Session *client_buckets[CLIENT_BUCKETS]  # those that may be closed, by the power of two of what they take
    uint64_t doomed_bytes       # what sessions take that are closed when the turn ends
    bint reply_resizing         # Session.reply_room follows the replies
    int64_t reply_peak_reset_ms  # how long a peak is remembered, negative: for ever
    bint latency_tracking
    int64_t spike_ticks         # latency-monitor-threshold, INT64_MAX: none
    int64_t slow_ticks          # commandlog-execution-slower-than, negative: off
    int64_t large_request       # commandlog-request-larger-than, negative: off
    int64_t large_reply
    double ticks_per_us
    double ns_per_tick
    char write_error[128]       # why the AOF can't be written, terminated
    int rdb_version             # rdb-write-version: of what DUMP answers
    uint8_t sanitizing          # sanitize-dump-payload: 0 no, 1 yes, 2 payloads of clients
    bint payloads_trusted       # the user's skip-sanitize-payload
    uint8_t rdb_relaxed         # rdb-version-check: RESTORE takes payloads of newer versions, too
    bint checksum_unchecked     # DEBUG SET-SKIP-CHECKSUM-VALIDATION: RESTORE does not mind the CRC
    bint enforce_blocks         # DEBUG CLIENT-ENFORCE-REPLY-LIST: replies go to blocks at once
    uint8_t debug_allowed       # enable-debug-command: 0 no, 1 yes, 2 local connections
    uint8_t module_allowed      # enable-module-command
    int64_t now_us              # unix time; refreshed once a batch
    int64_t clock_shift_us      # how far the engine's clock is ahead of the system's: tests move it
    int64_t clock_stopped_us    # unix time that it stands still at, 0: it runs
    uint64_t peak_memory
    size_t recent_input[RECENT_SECONDS]     # largest input buffer of a client, by the second in which the cron saw it
    size_t recent_output[RECENT_SECONDS]    # ... output waiting for one
    int64_t recent_second       # unix time of the newest
    Statistics statistics
    ErrorKind error_kinds[ERROR_KINDS + ERROR_KINDS_OWN]
    int error_kind_count
    uint64_t pause_end_ms       # unix time CLIENT PAUSE ends
    void *face                  # the Python Engine, for commands written in Python
    Context *running            # the command that runs, NULL: none
    uint64_t redacted           # words of the running command that no log may show, a bit each
    Hashtable observed_keys     # ObservedKey pointers (runtime/observed)
    uint64_t watched_keys       # how many of them are watched
    uint64_t awaited_keys       # ... are waited for
    uint64_t awaited_missing    # ... so that their end counts, too
    void *ready_keys            # ObservedKeys that changed and are waited for, in order of their changes
    void *ready_keys_last
    void (*on_ready)(Runtime *runtime) noexcept nogil     # called after the command that changed them
    bint serving_waits          # who waits is being served: what that changes joins the list
    Buffer wait_reply           # to the session that waited and is served
    void *position_waits        # Waits for the AOF or replicas to get further, the oldest first
    void *position_waits_last
    bint aof_on                 # an AOF is kept
    int64_t aof_synced          # effects up to this position are on disk; -1: nothing is yet
    void **deadlines            # Waits with a timeout, a heap: the nearest first
    size_t deadline_count
    size_t deadline_capacity
    uint64_t watching_sessions  # sessions that watch a key
    Hashtable channels          # Channel pointers (runtime/pubsub)
    Hashtable subscriptions     # Subscription pointers
    void *patterns              # channels that are patterns, the oldest first
    void *patterns_last
    uint64_t channel_counts[3]  # channels by kind
    int64_t subscribed_sessions  # sessions with a subscription
    Buffer own_pushes           # what the running command pushed to its own session: follows its reply
    bint python_ran             # a command written in Python ran: whoever turns the loop is to look what it did
    bint in_transaction         # EXEC runs its queue
    void (*enter)(Runtime *runtime) noexcept    # called with the GIL, when Python has run
    void (*run_nested)(Context *outer, Command *command, Slice *argv, int argc) noexcept nogil
    void (*run_scripted)(void *run, Slice *argv, int argc, Buffer *out) noexcept nogil  # a command of a ScriptRun
    void *scripting             # the Scripting, NULL: no script came yet
    bint (*serve_others)(Runtime *runtime) noexcept nogil   # while a script runs; false: the server is to end
    # a debugging session begins: in this process, which is a child unless it is a `sync` one, and is to end once `stop_fd` can be
    # read (-1: never). False: in another process, or not at all, and the client was told why
    bint (*begin_debugging)(Context *c, bint sync, int *stop_fd) noexcept nogil
    void (*end_debugging)(Context *c, bint sync) noexcept nogil     # it is over: ends the process where that is a child
    Awaited (*await_client)(Session *session, int stop_fd, bint writable, int timeout_ms) noexcept nogil    # -1 ms: for ever
    int64_t busy_threshold_ms   # busy-reply-threshold: how long a script runs before others are served, 0: for ever
    uint64_t script_memory_limit    # script-memory-limit: bytes of a Lua state, 0: any number
    bint scripts_unrestricted   # DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call commands that change no dataset or session
    int lua_insecure            # lua-enable-insecure-api: of states that are opened from now on
    ErrorOrigin error_origin    # of the error that the running command replies
    bint over_memory            # when the last command began, memory was over maxmemory and nothing could be evicted
    bint evicting               # a command's eviction ran out of its time: cron goes on
    void (*on_protocol_error)(Session *session, Slice input) noexcept nogil     # the parser has the error's text
    void (*on_commandlog)(Context *c, int64_t duration_us, uint64_t reply_bytes) noexcept nogil
    void (*on_monitor)(Context *c) noexcept nogil
    void (*on_spike)(Runtime *runtime, const char *event, int64_t us) noexcept nogil
    void (*on_flush)(Runtime *runtime) noexcept nogil   # FLUSHALL has emptied all databases
    void (*on_closing)(Session *session, Closing why) noexcept nogil    # before a session is closed that did not ask for it
