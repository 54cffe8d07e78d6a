"""What the commands on HyperLogLogs share."""
from kv._core.objects.entry cimport Entry
from kv._core.runtime.state cimport Context

cdef bint check_hll(Context *c, const Entry *entry) noexcept nogil
cdef void corrupt_error(Context *c) noexcept nogil
