"""Transports over sockets."""
from kv._core.runtime.state cimport Transport

cdef const Transport *socket_transport(bint unix) noexcept nogil
