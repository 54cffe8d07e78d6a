"""Several engines in one process, each as if it were alone.

What is read for every element (encoding limits), every key (the hash key) or every block (the account of memory) stands in one
place of the process, where reading it costs nothing. An engine has a copy of its own, which is put there when the engine is
entered: when another one was entered before, and only then. Whoever calls into an engine enters it first; and after a call into
Python, where another thread may have run another engine, it is entered again.

Pages, the registry of commands and the thread that frees large values belong to the process.
"""
from libc.string cimport memcpy, memset

from kv._core.base.hashing cimport hash_enter_key, hash_key
from kv._core.base.memory cimport memory_enter_account, memory_used
from kv._core.containers.quicklist cimport quicklist_packed_threshold, quicklist_set_packed_threshold
from kv._core.containers.streamlog cimport stream_limits
from kv._core.objects.hash cimport hash_limits
from kv._core.objects.hyperloglog cimport hll_limits
from kv._core.objects.list cimport list_limits
from kv._core.objects.set cimport set_limits
from kv._core.objects.zset cimport zset_limits
from kv._core.runtime.lazyfree cimport lazyfree_enter_account, lazyfree_wait

cdef Isolated nobody            # the process's own: what it begins with
entered = &nobody
nobody.memory.used = memory_used()
memory_enter_account(&nobody.memory)
lazyfree_enter_account(&nobody.lazyfree)


cdef void take(Isolated *state) noexcept nogil:
    """Keep what stands in the places."""
    state.hash_key = hash_key()
    state.list_limits, state.hash_limits, state.set_limits = list_limits, hash_limits, set_limits
    state.zset_limits, state.hll_limits, state.stream_limits = zset_limits, hll_limits, stream_limits
    state.packed_threshold = quicklist_packed_threshold()


cdef void put(const Isolated *state) noexcept nogil:
    hash_enter_key(state.hash_key)
    memcpy(&list_limits, &state.list_limits, sizeof(list_limits))
    memcpy(&hash_limits, &state.hash_limits, sizeof(hash_limits))
    memcpy(&set_limits, &state.set_limits, sizeof(set_limits))
    memcpy(&zset_limits, &state.zset_limits, sizeof(zset_limits))
    memcpy(&hll_limits, &state.hll_limits, sizeof(hll_limits))
    memcpy(&stream_limits, &state.stream_limits, sizeof(stream_limits))
    quicklist_set_packed_threshold(state.packed_threshold)


cdef void isolated_init(Isolated *state) noexcept nogil:
    """A state for a new engine, entered: the limits are the process's own, its memory is empty."""
    isolated_switch(&nobody)
    memset(state, 0, sizeof(Isolated))
    take(&nobody)
    state[0] = nobody
    memset(&state.memory, 0, sizeof(state.memory))
    memset(&state.lazyfree, 0, sizeof(state.lazyfree))
    isolated_switch(state)


cdef void isolated_switch(Isolated *to) noexcept nogil:
    global entered
    if entered == to:
        return
    take(entered)
    put(to)
    memory_enter_account(&to.memory)
    lazyfree_enter_account(&to.lazyfree)
    entered = to


cdef void isolated_end(Isolated *state, Isolated *before) noexcept nogil:
    """The engine is gone, and who was entered before it is again. What another thread still frees for it is waited for."""
    lazyfree_wait()
    isolated_switch(&nobody if before == state else before)
