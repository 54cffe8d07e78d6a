"""The password from Hanzo KMS, which speaks one of two forms.

    B   POST /v1/kms/auth/login {clientId, clientSecret}             GET /v1/kms/orgs/ORG/secrets/PATH/NAME?env=
    A   POST /api/v1/auth/universal-auth/login, same body            GET /api/v3/secrets/raw?environment=&workspaceSlug=&secretPath=

Both logins answer {accessToken, expiresIn}. B is tried first; 404, or an answer that is no JSON (a web page), sends us to A. The
form that gave a secret is kept. No error, log line or repr has a password, token or client secret.
"""
from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from redis.exceptions import RedisError

from .config import KMSConfig
from .logs import log

ATTEMPTS = 3                    # at a KMS that is not reached, or answers 429 or 5xx
BACKOFF_SECONDS = 0.1           # after the first of them, then twice as long
EXPIRY_MARGIN_SECONDS = 10      # a token is renewed so long before its end
MAX_BYTES = 1 << 20             # of an answer


class CredentialsError(RedisError):
    """There is no password to be had. Not a ConnectionError, so redis-py does not try again by itself: this package has."""


class KMSError(CredentialsError):
    """The KMS gave none."""


class OtherFormError(KMSError):
    """404, or no JSON: whoever answered does not speak this form."""


class TokenRefusedError(KMSError):
    """401 for a token."""


@dataclass
class Token:
    text: str = field(repr=False)
    until: float                # of the clock


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer, not followed: the client secret goes to nobody but HANZO_KMS_URL."""

    def redirect_request(self, *_: Any) -> None:
        return None


class KMS:
    """password() asks for the secret. Threads may share one; `clock` gives seconds, `timeout` is of one request."""

    def __init__(self, config: KMSConfig, *, timeout: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.timeout = timeout
        self.clock = clock
        self._opener = urllib.request.build_opener(NoRedirect)
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}     # form -> what its login gave
        self._form = ""                         # the one that worked
        self._fixed_token = config.token

    def __repr__(self) -> str:
        return f"KMS({self.config!r})"

    def password(self) -> str:
        """The secret's value now. Raises KMSError."""
        with self._lock:
            started = time.perf_counter()
            value = self._any_form()
            log.info("password resolved", extra={"source": "kms", "kms_form": self._form,
                                                 "latency_ms": (time.perf_counter() - started) * 1000})
            return value

    def _any_form(self) -> str:
        forms = ("B", "A") if self._form != "A" else ("A", "B")
        for form in forms:
            try:
                value = self._ask(form)
            except OtherFormError:
                continue
            self._form = form
            return value
        self._form = ""
        raise KMSError(f"KMS: no secret {self.config.name} at {self.config.path} in {self.config.environment} of "
                       f"{self.config.project}, or no KMS at this address")

    def _ask(self, form: str) -> str:
        """With the token that we have, then with a new one."""
        read = self._read_b if form == "B" else self._read_a
        if self._fixed_token:
            try:
                return read(self._fixed_token)
            except TokenRefusedError:
                if not self.config.client_id:
                    raise
                self._fixed_token = ""
        token = self._tokens.get(form)
        if token is not None and self.clock() < token.until:
            try:
                return read(token.text)
            except TokenRefusedError:
                del self._tokens[form]
        return read(self._login(form))

    def _login(self, form: str) -> str:
        path = "/v1/kms/auth/login" if form == "B" else "/api/v1/auth/universal-auth/login"
        body = {"clientId": self.config.client_id, "clientSecret": self.config.client_secret}
        status, answer = self._request(path, json.dumps(body).encode())
        if status in (400, 401, 403):
            raise KMSError(f"KMS: the client id or secret was refused ({status})")
        token, seconds = answer.get("accessToken"), answer.get("expiresIn")
        if status != 200 or not isinstance(token, str) or not token:
            raise KMSError(f"KMS: the login gave no token ({status})")
        lifetime = float(seconds) if isinstance(seconds, (int, float)) else 0.0
        self._tokens[form] = Token(token, self.clock() + lifetime - EXPIRY_MARGIN_SECONDS)
        return token

    def _read_b(self, token: str) -> str:
        config = self.config
        parts = [part for part in config.path.split("/") if part] + [config.name]
        path = f"/v1/kms/orgs/{quote(config.org, safe='')}/secrets/{'/'.join(quote(part, safe='') for part in parts)}"
        answer = self._read(f"{path}?{urlencode({'env': config.environment})}", token)
        secret = answer.get("secret")
        return self._value(secret.get("value") if isinstance(secret, dict) else None)

    def _read_a(self, token: str) -> str:
        config = self.config
        query = {"environment": config.environment, "workspaceSlug": config.project, "secretPath": config.path}
        answer = self._read("/api/v3/secrets/raw?" + urlencode(query), token)
        secrets = answer.get("secrets")
        for secret in secrets if isinstance(secrets, list) else []:
            if isinstance(secret, dict) and secret.get("secretKey") == config.name:
                return self._value(secret.get("secretValue"))
        raise OtherFormError("")

    def _read(self, path: str, token: str) -> dict[str, Any]:
        status, answer = self._request(path, None, token)
        if status == 401:
            raise TokenRefusedError("KMS: the token was refused (401)")
        if status == 403:
            raise KMSError(f"KMS: reading {self.config.name} is forbidden (403)")
        if status != 200:
            raise KMSError(f"KMS: answered {status}")
        return answer

    def _value(self, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise KMSError(f"KMS: the secret {self.config.name} is empty")
        return value

    def _request(self, path: str, body: bytes | None, token: str = "") -> tuple[int, dict[str, Any]]:
        """(status, JSON object) of one request, tried again where that helps."""
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
            try:
                status, content = self._send(path, body, token)
            except (OSError, http.client.HTTPException, ValueError):     # the last one: a token that no header can hold
                problem = "KMS: cannot be reached"
                continue
            if status == 429 or status >= 500:
                problem = f"KMS: answered {status}"
                continue
            if 300 <= status < 400:
                raise KMSError(f"KMS: redirects ({status}); set HANZO_KMS_URL to the place itself")
            return status, self._json(status, content)
        raise KMSError(problem)

    def _json(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status == 404 or not isinstance(answer, dict):
            raise OtherFormError("")
        return answer

    def _send(self, path: str, body: bytes | None, token: str) -> tuple[int, bytes]:
        headers = {"Accept": "application/json", "User-Agent": "hanzo-kv"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.config.url + path, data=body, headers=headers)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return response.status, response.read(MAX_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(MAX_BYTES)
