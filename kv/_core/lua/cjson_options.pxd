"""What a cjson module is set to. Each has its own, cjson.new() makes another; it's the upvalue of the module's functions."""
from kv._core.lua.api cimport lua, lua_State, lua_upvalueindex

cdef enum JsonSwitch:           # of options that are off or on, or a third way
    SWITCH_OFF
    SWITCH_ON
    SWITCH_NULL                 # invalid numbers are written as null

cdef enum:
    JSON_INT_MAX = 0x7FFFFFFF   # the largest value of an option, and the largest index of an array

cdef struct JsonOptions:
    int sparse_convert          # switch: an excessively sparse array is written as an object
    int sparse_ratio            # excessively sparse has more indexes than that many for each element, 0: nothing is
    int sparse_safe             # ... and this many at least
    int encode_max_depth        # tables in each other
    int decode_max_depth
    int encode_invalid_numbers  # switch of three: whether inf and nan are written
    int decode_invalid_numbers  # switch: whether inf, nan, hexadecimal and leading zeros are read
    int precision               # significant digits of numbers
    int keep_buffer             # switch: off gives memory back as soon as a text is made


cdef inline JsonOptions *json_options(lua_State *L) noexcept nogil:
    """Those of the running function."""
    return <JsonOptions *> lua.touserdata(L, lua_upvalueindex(1))
