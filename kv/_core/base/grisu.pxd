"""The shortest decimal digits that read back as the same double."""

cdef enum:
    GRISU_DIGITS = 17  # no double needs more

# digits receives up to GRISU_DIGITS characters; the value is 0.digits * 10^point. Returns how many digits.
# value is finite and above zero.
cdef int grisu_digits(double value, char *digits, int *point) noexcept nogil
