"""A KMS for tests, which speaks both wire forms and fails as it is told to. It needs Python's standard library alone, so that every
SDK's tests can start it: it prints its URL, and ends when its standard input does.

    PUT /_state     {"forms": ["B"], "secrets": {"/kv/redis-password": "..."}}: fields of State; the others as they are at first
    PATCH /_state   changes what is named
    GET /_requests  the lines seen since PUT, such as "POST /v1/kms/auth/login"
"""
from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LOGINS = {"/v1/kms/auth/login": "B", "/api/v1/auth/universal-auth/login": "A"}


@dataclass
class State:
    forms: list[str] = field(default_factory=lambda: ["A", "B"])
    absent: str = "404"         # how a form that is not spoken answers: 404, or html (a web page with 200)
    client_id: str = "id"
    client_secret: str = "client-secret"
    token: str = ""             # one that is good without a login
    expires_in: float = 3600    # what a login says; the token is good until "revoked" all the same
    revoked: int = 0            # tokens up to this number are refused
    broken: int = 0             # so many requests are answered 503
    redirect: bool = False
    forbidden: bool = False
    org: str = "hanzo"
    project: str = "hanzo"
    env: str = "prod"
    secrets: dict[str, str] = field(default_factory=dict)    # "/kv/redis-password" -> value


class FakeKMS:
    """In this process, for Python's tests: `url`, `state` to change, `requests` seen, close()."""

    def __init__(self) -> None:
        self.state = State()
        self.requests: list[str] = []
        self.tokens = 0
        kms = self

        class Handler(BaseHTTPRequestHandler):
            wbufsize = -1       # head and body leave in one piece: two would wait for each other's acknowledgement, 40 ms

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = kms.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
                self.send_response(status)
                text = content if isinstance(content, str) else json.dumps(content)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = do_PATCH = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def put(self, state: dict[str, Any]) -> None:
        self.state = State(**state)
        self.requests, self.tokens = [], 0

    def patch(self, state: dict[str, Any]) -> None:
        self.state = State(**{**asdict(self.state), **state})

    def answer(self, method: str, target: str, body: bytes, authorization: str) -> tuple[int, Any]:
        path = urlsplit(target).path
        if path == "/_requests":
            return 200, self.requests
        if path == "/_state":
            (self.put if method == "PUT" else self.patch)(json.loads(body))
            return 200, {}
        self.requests.append(f"{method} {path}")
        state = self.state
        if state.broken:
            state.broken -= 1
            return 503, "<html>out of order</html>"
        if state.redirect:
            return 302, "<html>elsewhere</html>"
        if path in LOGINS and method == "POST":
            return self.login(LOGINS[path], json.loads(body))
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        return self.read("A" if path == "/api/v3/secrets/raw" else "B", path, query, authorization)

    def not_spoken(self) -> tuple[int, Any]:
        return (200, "<html>welcome</html>") if self.state.absent == "html" else (404, {"message": "no such route"})

    def login(self, form: str, body: dict[str, str]) -> tuple[int, Any]:
        state = self.state
        if form not in state.forms:
            return self.not_spoken()
        if (body.get("clientId"), body.get("clientSecret")) != (state.client_id, state.client_secret):
            return 401, {"message": "invalid credentials"}
        self.tokens += 1
        return 200, {"accessToken": f"token-{self.tokens}", "expiresIn": state.expires_in, "tokenType": "Bearer"}

    def read(self, form: str, path: str, query: dict[str, str], authorization: str) -> tuple[int, Any]:
        state = self.state
        if form not in state.forms:
            return self.not_spoken()
        good = [f"token-{number}" for number in range(state.revoked + 1, self.tokens + 1)] + ([state.token] if state.token else [])
        if authorization.removeprefix("Bearer ") not in good:
            return 401, {"message": "token expired"}
        if state.forbidden:
            return 403, {"message": "forbidden"}
        return self.read_a(query) if form == "A" else self.read_b(path, query)

    def read_a(self, query: dict[str, str]) -> tuple[int, Any]:
        state, folder = self.state, query.get("secretPath", "").rstrip("/")
        if (query.get("workspaceSlug"), query.get("environment")) != (state.project, state.env):
            return 404, {"message": "no such project"}
        found = [{"secretKey": name.rpartition("/")[2], "secretValue": value} for name, value in state.secrets.items()
                 if name.rpartition("/")[0] == folder]
        return 200, {"secrets": found}

    def read_b(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        state, start = self.state, f"/v1/kms/orgs/{self.state.org}/secrets"
        name = unquote(path.removeprefix(start))
        if not path.startswith(start) or query.get("env") != state.env or name not in state.secrets:
            return 404, {"message": "no such secret"}
        return 200, {"secret": {"value": state.secrets[name]}}


if __name__ == "__main__":
    running = FakeKMS()
    print(running.url, flush=True)
    sys.stdin.read()
    running.close()
