#!/usr/bin/env python3
"""What it costs to ask about thousands of connections, beside another server.

    .venv/bin/python benchmarks/clients.py [--peer redis-server] [--connections 100 1000 4000]

Both servers have so many idle connections; then CLIENT LIST, INFO clients, CLIENT LIST ID of one and a PING beside one
MONITOR are asked, and the processor time a request is printed in milliseconds.
"""
from __future__ import annotations

import argparse
import resource
import socket

from programs import Server, ours

ROUNDS = 20
REQUESTS = {"CLIENT LIST": b"CLIENT LIST\r\n", "INFO clients": b"INFO clients\r\n", "CLIENT LIST ID 1": b"CLIENT LIST ID 1\r\n"}


def ask(connection: socket.socket, request: bytes) -> None:
    """Send a request and read its reply, a bulk string or a status."""
    connection.sendall(request)
    file = connection.makefile("rb")
    head = file.readline()
    if head.startswith(b"$"):
        file.read(int(head[1:]) + 2)


def cost_ms(server: Server, connection: socket.socket, request: bytes, rounds: int = ROUNDS) -> float:
    before = server.seconds()
    for _ in range(rounds):
        ask(connection, request)
    return (server.seconds() - before) / rounds * 1000


def measure(command: list[str], count: int) -> dict[str, float]:
    server = Server([*command, "--maxclients", str(count + 100)])
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(count)]
    try:
        found = {name: cost_ms(server, server.connection, request) for name, request in REQUESTS.items()}
        ask(idle[0], b"MONITOR\r\n")
        found["PING beside MONITOR"] = cost_ms(server, server.connection, b"PING\r\n", 2000)
        return found
    finally:
        for connection in idle:
            connection.close()
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="redis-server")
    parser.add_argument("--connections", type=int, nargs="+", default=[100, 1000, 4000])
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for count in options.connections:
        mine, theirs = measure(ours(), count), measure(options.peer.split(), count)
        print(f"{count} connections, ms a request")
        for name, cost in mine.items():
            print(f"  {name:22} {cost:9.3f}   peer {theirs[name]:9.3f}   {cost / max(theirs[name], 1e-9):6.2f}")


if __name__ == "__main__":
    main()
