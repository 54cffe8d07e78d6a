"""The two ways in which this program gives up: on itself, and on a connection."""


class Fatal(Exception):
    """Stop with this text on standard error and exit status 1."""


class Disconnected(Exception):
    """The connection cannot be used any more; the text says why. A new one may be tried."""


class ProtocolError(Disconnected):
    """What came is not RESP. Trying again would only repeat it."""
