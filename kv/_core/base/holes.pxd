"""Giving the empty parts of a page that still holds blocks back to the system."""
from kv._core.base.page cimport Page

cdef size_t holes_bytes() noexcept nogil
cdef bint holes_worth_searching(Page *page) noexcept nogil
cdef size_t holes_make(Page *page, char *start) noexcept nogil
cdef bint holes_fill(Page *page, char *start) noexcept nogil
cdef void holes_forget(Page *page) noexcept nogil
cdef const char *holes_check(const Page *page, char *start) noexcept nogil
