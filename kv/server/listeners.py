"""Where clients connect: TCP on several addresses, and a unix socket.

Port 0 means no TCP. Binding happens before anything else of the start, so that a port in use is one clear line and nothing
is touched. A connection that can't be taken (no descriptor is free) waits in the kernel's queue while the listener rests
(Loop.handle).
"""
from __future__ import annotations

import os
import socket
import stat
from functools import partial

from kv._core.engine.inspect import note_rejected_connection

from .log import log
from .tcp import BindError, TcpSockets
from .trouble import reason, troubles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kv._core.engine.engine import Engine

    from .config import Config
    from .loop import Loop
    from .user import DefaultUser

PROTECTED_MODE_ERROR = (
    b"-DENIED Running in protected mode because protected mode is enabled and no password is set for the default user. "
    b"In this mode connections are only accepted from the loopback interface. If you want to connect from external "
    b"computers, you may adopt one of the following solutions: 1) Disable protected mode by sending the command 'CONFIG SET "
    b"protected-mode no' from the loopback interface by connecting from the same host the server is running, however MAKE SURE "
    b"the server is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) "
    b"Alternatively you can just disable the protected mode by editing the configuration file, and setting the protected mode "
    b"option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the "
    b"'--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of "
    b"the above things in order for the server to start accepting connections from the outside.\r\n")


def listen_unix(path: str, permissions: int, group: str | None, backlog: int) -> socket.socket:
    """A socket that listens on a path. A socket that is there already is replaced, anything else is in the way. Raises
    BindError."""
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise BindError(f"Failed opening Unix socket: socket: {error.strerror}") from None
    try:
        if is_socket(path):
            os.unlink(path)
        sock.bind(path)
        if permissions:
            os.chmod(path, permissions)
        if group:
            import grp

            os.chown(path, -1, grp.getgrnam(group).gr_gid)
        sock.listen(backlog)
    except (OSError, KeyError) as error:
        sock.close()
        raise BindError(f"Failed opening Unix socket: bind: {reason(error)}") from None
    return sock


def is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


class Listeners:
    """The sockets, and what becomes of a connection: a session of the engine."""

    def __init__(self, engine: Engine, config: Config, loop: Loop, default_user: DefaultUser) -> None:
        self.engine = engine
        self.config = config
        self.loop = loop
        self.default_user = default_user    # whom protected-mode asks for a password
        self.tcp_sockets = TcpSockets(config, loop, self.accept, "Accepting client connection: accept")
        self.unix: socket.socket | None = None
        self.unix_path = ""     # absolute: CONFIG SET dir moves what is relative
        self.unix_inode: tuple[int, int] | None = None

    @property
    def tcp(self) -> list[socket.socket]:
        return self.tcp_sockets.sockets

    def open(self) -> None:
        config = self.config
        self.check_backlog(config.tcp_backlog)
        try:
            self.tcp_sockets.open(config.bind, config.port)
        except BindError as error:
            log("warning", str(error))
        if config.port and config.bind and not self.tcp:
            raise BindError(f"Failed listening on port {config.port} (tcp), aborting.")
        if config.unixsocket:
            self.unix = listen_unix(config.unixsocket, config.unixsocketperm, config.unixsocketgroup,
                                    config.tcp_backlog)
            self.unix_path = os.path.abspath(config.unixsocket)
            self.unix_inode = inode(self.unix_path)
        if not self.tcp and self.unix is None:
            raise BindError("Configured to not listen anywhere, exiting.")
        if self.unix is not None:
            self.watch_unix(self.unix)

    def check_backlog(self, backlog: int) -> None:
        try:
            with open("/proc/sys/net/core/somaxconn") as file:
                most = int(file.read())
        except (OSError, ValueError):
            return
        if 0 < most < backlog:
            log("warning", f"WARNING: The TCP backlog setting of {backlog} cannot be enforced because "
                           f"/proc/sys/net/core/somaxconn is set to the lower value of {most}.")

    def watch_unix(self, sock: socket.socket) -> None:
        """Raises BindError."""
        try:
            self.loop.watch(sock.fileno(), partial(self.accept, sock), "Accepting client connection: accept")
        except OSError as error:
            raise BindError(f"Could not watch a listening socket: {reason(error)}") from None

    def names(self) -> list[str]:
        """The kinds that there are."""
        return (["tcp"] if self.tcp else []) + (["unix"] if self.unix else [])

    def reopen_tcp(self) -> None:
        """After CONFIG SET of port or bind. Raises BindError."""
        self.tcp_sockets.reopen(self.config.bind, self.config.port)

    def cron(self) -> None:
        self.tcp_sockets.retry()

    def close(self) -> None:
        self.tcp_sockets.close()
        if self.unix is not None:
            self.loop.unwatch(self.unix.fileno())
            self.unix.close()
            self.remove_unix_file()
        self.unix = None

    def remove_unix_file(self) -> None:
        """Unless somebody else listens there by now."""
        path = self.unix_path
        try:
            if self.unix_inode is not None and inode(path) == self.unix_inode:
                log("notice", "Removing the unix socket file.")
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            troubles.report("Removing the unix socket file", error)

    def accept(self, listener: socket.socket) -> None:
        """Take up to max-new-connections-per-cycle connections. Raises OSError where there is none to be had."""
        for _ in range(self.config.max_new_connections_per_cycle):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            try:
                self.admit(connection, address, listener)
            except OSError as error:
                troubles.report("Error registering fd event for the new client", error)
                connection.close()
                note_rejected_connection(self.engine)

    def admit(self, connection: socket.socket, address, listener: socket.socket) -> None:
        """Make a connection a session. Raises OSError."""
        config = self.config
        unix = listener is self.unix
        if self.engine.session_count >= config.maxclients:
            self.refuse(connection, b"-ERR max number of clients reached\r\n")
            return
        connection.setblocking(False)
        if unix:
            peer = local = f"{config.unixsocket}:0"
            loopback = True
        else:
            peer, loopback = describe(address)
            local = own_address(connection)
            if config.protected_mode and self.default_user.nopass and not loopback:
                self.refuse(connection, PROTECTED_MODE_ERROR)
                return
            set_options(connection, config.tcp_keepalive)
        if config.loglevel == "debug" or log.level <= 1:
            log("verbose", f"Accepted {peer}")
        self.loop.core.attach(connection.detach(), peer, local, unix, loopback)

    def refuse(self, connection: socket.socket, text: bytes) -> None:
        try:
            connection.setblocking(False)
            connection.send(text)
        except OSError:
            pass
        connection.close()
        note_rejected_connection(self.engine)


def describe(address) -> tuple[str, bool]:
    """("address:port" as CLIENT LIST prints it, whether it is this machine)."""
    host, port = address[0], address[1]
    loopback = host.startswith("127.") or host == "::1" or host.startswith("::ffff:127.")
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), loopback


def own_address(connection: socket.socket) -> str:
    """Of this end, as CLIENT LIST prints it."""
    try:
        return describe(connection.getsockname())[0]
    except OSError as error:
        troubles.report("Asking for the address that a client connected to", error)
        return "?:0"


def inode(path: str) -> tuple[int, int] | None:
    """What a path leads to, None: nobody can tell."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_options(connection: socket.socket, keep_alive: int) -> None:
    """Send at once, and probe a silent peer after `keep_alive` seconds, then every third of it, three times. A connection
    without that is better than none."""
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if keep_alive:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keep_alive)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keep_alive // 3))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    except OSError as error:
        troubles.report("Setting options of a client's connection", error)
