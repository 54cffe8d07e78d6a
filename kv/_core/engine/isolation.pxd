"""What an engine has for itself although the core keeps it in one place of the process."""
from kv._core.base.hashing cimport HashKey
from kv._core.base.memory cimport MemoryAccount
from kv._core.base.platform cimport unlikely
from kv._core.containers.streamlog cimport StreamLimits
from kv._core.objects.hash cimport HashLimits
from kv._core.objects.hyperloglog cimport HllLimits
from kv._core.objects.list cimport ListLimits
from kv._core.objects.set cimport SetLimits
from kv._core.objects.zset cimport ZsetLimits
from kv._core.runtime.lazyfree cimport LazyfreeAccount

cdef struct Isolated:
    HashKey hash_key
    ListLimits list_limits
    HashLimits hash_limits
    SetLimits set_limits
    ZsetLimits zset_limits
    HllLimits hll_limits
    StreamLimits stream_limits
    size_t packed_threshold     # DEBUG QUICKLIST-PACKED-THRESHOLD
    MemoryAccount memory
    LazyfreeAccount lazyfree

cdef Isolated *entered          # whose state is in those places now

cdef void isolated_init(Isolated *state) noexcept nogil
cdef void isolated_switch(Isolated *to) noexcept nogil
cdef void isolated_end(Isolated *state, Isolated *before) noexcept nogil


cdef inline Isolated *isolated_enter(Isolated *state) noexcept nogil:
    """Called before anything of an engine is touched. In a process with one engine it is one comparison. Returns whose state it
    was: a finalizer, which may run in the middle of anything, switches back to that."""
    cdef Isolated *before = entered
    if unlikely(before != state):
        isolated_switch(state)
    return before
