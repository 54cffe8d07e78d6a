"""Blobs that have more than one holder (see blob.pxd for the rest).

A large value is sent to clients from where it stands (runtime/session), and may be changed or deleted before it is
sent. So whoever sends it holds it: blob_hold(). While others hold a blob, blob_free() only gives up the caller's share,
and the last one frees the block; who wants to change the bytes asks blob_is_held() first, and changes a copy
(blob_writable).

The holders are counted in a table beside the blobs, since a count in each would cost eight bytes of every value. Only
blobs of BLOB_HELD_LEAST bytes or more are ever held, and only while they are being sent, so the table is small.

The thread that frees values in the background gives up shares too: the table has a lock. A fork takes it first, so
that no child is born with a lock that nobody opens.
"""
from libc.stdint cimport uintptr_t

from kv._core.base.memory cimport memory_alloc, memory_free
from kv._core.base.platform cimport likely, panic

cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, void *attributes)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil, void (*child)() noexcept nogil)

cdef extern from *:
    """
    #define kv_held_load(counter) __atomic_load_n((counter), __ATOMIC_ACQUIRE)
    #define kv_held_add(counter, n) __atomic_fetch_add((counter), (n), __ATOMIC_RELEASE)
    """
    size_t kv_held_load(size_t *counter) noexcept nogil
    void kv_held_add(size_t *counter, size_t n) noexcept nogil

cdef enum:
    BUCKETS = 1024              # of the table; a power of two

cdef struct Holding:            # a blob with several holders
    Blob *blob
    size_t others               # holders beside one
    Holding *next               # in its bucket

cdef Holding *table[BUCKETS]
cdef size_t held_blobs = 0      # blobs in the table; atomic
cdef pthread_mutex_t lock


cdef void lock_table() noexcept nogil:
    pthread_mutex_lock(&lock)


cdef void unlock_table() noexcept nogil:
    pthread_mutex_unlock(&lock)


cdef inline Holding **find(const Blob *blob) noexcept nogil:
    """The pointer that points to the blob's holding, or to the end of its bucket."""
    cdef Holding **link = &table[((<uintptr_t> blob >> 4) ^ (<uintptr_t> blob >> 14)) & (BUCKETS - 1)]
    while link[0] != NULL and link[0].blob != blob:
        link = &link[0].next
    return link


cdef void blob_hold(Blob *blob) noexcept nogil:
    """The blob has one holder more, who gives it up with blob_free. The engine's thread only."""
    cdef Holding **link
    cdef Holding *made
    lock_table()
    link = find(blob)
    if link[0] == NULL:
        made = <Holding *> memory_alloc(sizeof(Holding))
        made.blob, made.others, made.next = blob, 0, NULL
        link[0] = made
        kv_held_add(&held_blobs, 1)
    link[0].others += 1
    unlock_table()


cdef bint blob_is_held(const Blob *blob) noexcept nogil:
    """Whether the blob has other holders than the caller."""
    cdef bint found
    if likely(blob.length < BLOB_HELD_LEAST or kv_held_load(&held_blobs) == 0):
        return False
    lock_table()
    found = find(blob)[0] != NULL
    unlock_table()
    return found


cdef bint give_up(Blob *blob) noexcept nogil:
    """The caller's share, where others hold the blob too; false where nobody does."""
    cdef Holding **link
    cdef Holding *holding
    lock_table()
    link = find(blob)
    holding = link[0]
    if holding != NULL:
        holding.others -= 1
        if holding.others == 0:
            link[0] = holding.next
            memory_free(holding)
            kv_held_add(&held_blobs, <size_t> -1)
    unlock_table()
    return holding != NULL


cdef void blob_free_large(Blob *blob) noexcept nogil:
    """blob_free of a blob that others may hold."""
    if kv_held_load(&held_blobs) == 0 or not give_up(blob):
        memory_free(blob)


cdef Blob *blob_writable(Blob *blob) noexcept nogil:
    """The blob, or a copy in its place where others hold it: its bytes are the caller's to change."""
    cdef Blob *copied
    if likely(not blob_is_held(blob)):
        return blob
    copied = blob_copy(blob.data, blob.length)
    blob_free(blob)
    return copied


if pthread_mutex_init(&lock, NULL) != 0 or pthread_atfork(lock_table, unlock_table, unlock_table) != 0:
    panic("the lock of held blobs can't be made")
