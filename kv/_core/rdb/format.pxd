"""Numbers of the RDB format. Source: Valkey 8.1.7, rdb.h, and what a running server writes.

    version   written by              a type that is new in it
    9         Redis 5.0 to 6.2        streams (15), with the length of strings beyond 32 bits
    10        Redis 7.0               listpacks for hashes and sorted sets (16, 17), quicklist 2 (18), streams 2 (19)
    11        Redis 7.2, Valkey 7.2   sets as listpacks (20), streams 3 (21)
              to 8.1
"""

cdef enum:
    RDB_VERSION = 11            # what is written where nobody asks for an older one
    RDB_VERSION_LEAST = 9       # the oldest that can be written
    RDB_VERSION_CRC = 5         # the first whose files end with a CRC-64
    RDB_VALKEY = 80             # the first whose magic is VALKEY

cdef enum RdbType:              # the byte before a key: how its value is written
    RDB_STRING = 0
    RDB_LIST = 1                # elements
    RDB_SET = 2                 # members
    RDB_ZSET = 3                # members, each with its score as text
    RDB_HASH = 4                # names and values
    RDB_ZSET_2 = 5              # members, each with its score in binary
    RDB_MODULE_PRE = 6          # of modules, as it never was released
    RDB_MODULE = 7
    RDB_HASH_ZIPMAP = 9
    RDB_LIST_ZIPLIST = 10
    RDB_SET_INTSET = 11
    RDB_ZSET_ZIPLIST = 12
    RDB_HASH_ZIPLIST = 13
    RDB_LIST_QUICKLIST = 14     # nodes that are ziplists
    RDB_STREAM = 15
    RDB_HASH_LISTPACK = 16
    RDB_ZSET_LISTPACK = 17
    RDB_LIST_QUICKLIST_2 = 18
    RDB_STREAM_2 = 19           # ... with what was ever added and deleted, and what groups have read
    RDB_SET_LISTPACK = 20
    RDB_STREAM_3 = 21           # ... with the time that consumers were last given something
    RDB_HASH_2 = 22             # names, values and expiries: Valkey 9.0 (version 80) and up; other things in Redis

cdef enum RdbOpcode:            # the byte before what is no key; the highest type is far below
    RDB_OPCODE_SLOT_INFO = 244  # three lengths: Redis 7.4 and up
    RDB_OPCODE_FUNCTION_PRE = 246   # ... of a function library, in a form that never was released
    RDB_OPCODE_MODULE_AUX = 247     # what a module keeps beside keys
    RDB_OPCODE_FUNCTION = 245   # string: the code of a function library; from version 10 on
    RDB_OPCODE_IDLE = 248       # length: seconds since the next key was last read or written
    RDB_OPCODE_FREQ = 249       # byte: LFU counter of the next key
    RDB_OPCODE_AUX = 250        # string, string: what the file says of itself
    RDB_OPCODE_RESIZEDB = 251   # length, length: keys of the database, and keys with an expiry
    RDB_OPCODE_EXPIRY_MS = 252  # 8 bytes: unix time in ms at which the next key expires
    RDB_OPCODE_EXPIRY_S = 253   # 4 bytes: ... in s; not written since Redis 2.6
    RDB_OPCODE_SELECTDB = 254   # length: number of the database of the keys from here on
    RDB_OPCODE_EOF = 255        # behind it stand the 8 bytes of the CRC-64 of everything before, 0: none was kept

cdef enum RdbLength:            # the first byte of a length, and of a string in another form
    RDB_LENGTH_6 = 0            # 00llllll
    RDB_LENGTH_14 = 0x40        # 01llllll llllllll, the highest bits first
    RDB_LENGTH_32 = 0x80        # and 4 bytes, the highest first
    RDB_LENGTH_64 = 0x81        # and 8 bytes, the highest first
    RDB_INT_8 = 0xc0            # a string that is a number: 1, 2 or 4 bytes, the lowest first
    RDB_INT_16 = 0xc1
    RDB_INT_32 = 0xc2
    RDB_LZF = 0xc3              # a compressed string: length of the LZF, length of the text, the LZF
