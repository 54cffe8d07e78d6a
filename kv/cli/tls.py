"""TLS over a connected socket, as --tls and its companions ask for."""

import socket
import ssl

from kv.cli.errors import Disconnected, Fatal
from kv.cli.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class TlsSocket(ssl.SSLSocket):
    """Says that it would block in the way plain sockets do."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def send(self, data: "Buffer", flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None


def secure(sock: socket.socket, host: str, options: Options) -> ssl.SSLSocket:
    """Shake hands. The server's certificate must be trusted, but, as with valkey-cli, not name the host:
    servers are usually reached by address."""
    context = _context(options)
    try:
        return context.wrap_socket(sock, server_hostname=options.tls_sni or host)
    except (OSError, ssl.SSLError) as error:
        sock.close()
        raise Disconnected(f"TLS: {error}") from None


def _context(options: Options) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = TlsSocket
    context.check_hostname = False
    if options.tls_insecure:
        context.verify_mode = ssl.CERT_NONE
    try:
        if options.tls_ca_file or options.tls_ca_folder:
            context.load_verify_locations(options.tls_ca_file, options.tls_ca_folder)
        else:
            context.load_default_certs()
        if options.tls_ciphers:
            context.set_ciphers(options.tls_ciphers)
        if options.tls_cert:
            context.load_cert_chain(options.tls_cert, options.tls_key)
        elif options.tls_key:
            raise Fatal("Options '--cert' and '--key' must be specified together.")
    except (OSError, ssl.SSLError) as error:
        raise Fatal(f"Could not load the TLS files: {error}") from None
    return context
