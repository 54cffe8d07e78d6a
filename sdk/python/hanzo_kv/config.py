"""What the environment says of the server and of where its password is.

The URL is the first of: the argument, KV_URL, HANZO_KV_URL (unless it is the http:// address of another service), REDIS_URL. Where
there is none it is made of parts: HANZO_KV_ADDR, or KV_HOST / REDIS_HOST, KV_PORT / REDIS_PORT, KV_DB / REDIS_DB, KV_TLS /
REDIS_TLS, KV_USERNAME / REDIS_USERNAME. The parts also give what a URL of the environment does not say of user, password and
database; an argument is taken as it is, so that no password goes to a server that it was not meant for.

The password is the first of KV_PASSWORD, HANZO_KV_PASSWORD and REDIS_PASSWORD, each followed by its _FILE form; else it is in the
KMS, where HANZO_KMS_TOKEN, or HANZO_KMS_CLIENT_ID and HANZO_KMS_CLIENT_SECRET, are set. An empty variable is one that is not set.
"""
from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from . import address as urls
from .address import DEFAULT_PORT, Address, ConfigError

URL_NAMES = ("KV_URL", "HANZO_KV_URL", "REDIS_URL")
PASSWORD_NAMES = ("KV_PASSWORD", "HANZO_KV_PASSWORD", "REDIS_PASSWORD")
USER_NAMES = ("KV_USERNAME", "REDIS_USERNAME")
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class KMSConfig:
    """Where the password is kept: the secret `name` at `path`, of `environment` in `project` of `org`."""

    url: str = "https://kms.hanzo.ai"
    org: str = "hanzo"
    project: str = "hanzo"
    environment: str = "prod"
    path: str = "/kv"
    name: str = "redis-password"
    client_id: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> KMSConfig | None:
        """None where the environment has no credentials of a KMS. Raises ConfigError."""
        env = os.environ if env is None else env
        token = secret(env, ("HANZO_KMS_TOKEN", "KMS_TOKEN"))[0]
        client_id = secret(env, ("HANZO_KMS_CLIENT_ID", "KMS_CLIENT_ID"))[0]
        client_secret = secret(env, ("HANZO_KMS_CLIENT_SECRET", "KMS_CLIENT_SECRET"))[0]
        if bool(client_id) != bool(client_secret):
            missing, there = ("SECRET", "ID") if client_id else ("ID", "SECRET")
            raise ConfigError(f"HANZO_KMS_CLIENT_{missing}: not set, but HANZO_KMS_CLIENT_{there} is")
        if not token and not client_id:
            return None
        org = env.get("HANZO_KMS_ORG") or cls.org
        config = cls(
            url=(env.get("HANZO_KMS_URL") or cls.url).strip().rstrip("/"), org=org, project=env.get("HANZO_KMS_PROJECT") or org,
            environment=env.get("HANZO_KMS_ENV") or cls.environment, path=env.get("HANZO_KMS_PATH") or cls.path,
            name=env.get("HANZO_KMS_SECRET") or cls.name, client_id=client_id, client_secret=client_secret, token=token)
        parts = urlsplit(config.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ConfigError("HANZO_KMS_URL: not an http:// or https:// URL without a user")
        return config


@dataclass(frozen=True)
class KVConfig:
    """What is known before anything is connected. repr() shows no secret."""

    address: Address = Address()
    password_file: str = ""             # the file that the password was read from, and is read from again
    kms: KMSConfig | None = None        # set where the password is to be had there
    source: str = ""                    # the variable that the URL came from, "url", or "" for parts

    @classmethod
    def from_env(cls, url: str | None = None, env: Mapping[str, str] | None = None) -> KVConfig:
        """`url` is what the program itself says, if it does. Raises ConfigError."""
        env = os.environ if env is None else env
        if url:
            return cls(urls.parse_url(url), source="url")
        source = next((name for name in URL_NAMES if is_ours(name, env)), "")
        address = urls.parse_url(env[source], source) if source else address_of_parts(env)
        if source and not urls.says_db(env[source]):
            address = replace(address, db=db_of(env))
        if not address.username and not address.password:
            address = replace(address, username=first(env, USER_NAMES)[0])
        if address.password:
            return cls(address, source=source)
        password, file = secret(env, PASSWORD_NAMES)
        kms = None if password else KMSConfig.from_env(env)
        return cls(replace(address, password=password), file, kms, source)

    @property
    def url(self) -> str:
        """With the password, percent-encoded, where it is known without the KMS."""
        return self.address.url


def url_from_env(url: str | None = None, env: Mapping[str, str] | None = None, *, kms: bool = False) -> str:
    """The URL for a library that takes one (Celery, flask-limiter, ...). With `kms` a password that only the KMS has is fetched
    from there and put in; it does not change by itself later. Raises ConfigError, KMSError."""
    config = KVConfig.from_env(url, env)
    if not kms or config.kms is None:
        return config.url
    from .kms import KMS
    return urls.format_url(config.address, KMS(config.kms).password())


def is_ours(name: str, env: Mapping[str, str]) -> bool:
    value = env.get(name, "").strip()
    return bool(value) and not (name == "HANZO_KV_URL" and value.lower().startswith(("http://", "https://")))


def first(env: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """(value, name) of the first that is set, else two empty ones."""
    return next(((env[name], name) for name in names if env.get(name)), ("", ""))


def first_port(env: Mapping[str, str]) -> tuple[str, str]:
    """Kubernetes sets KV_PORT=tcp://10.0.0.1:6379 for a Service named kv, REDIS_PORT for one named redis: these are no ports."""
    return first({name: env.get(name, "") for name in ("KV_PORT", "REDIS_PORT") if "://" not in env.get(name, "")},
                 ("KV_PORT", "REDIS_PORT"))


def address_of_parts(env: Mapping[str, str]) -> Address:
    port, port_name = first_port(env)
    number = urls.parse_port(port, port_name) if port else DEFAULT_PORT
    if env.get("HANZO_KV_ADDR"):
        node = urls.parse_node(env["HANZO_KV_ADDR"], number, "HANZO_KV_ADDR")
    else:
        host = first(env, ("KV_HOST", "REDIS_HOST"))[0]
        node = (host or ("redis-master" if env.get("KUBERNETES_SERVICE_HOST") else "localhost"), number)
    tls, tls_name = first(env, ("KV_TLS", "REDIS_TLS"))
    if tls and tls.lower() not in TRUE + FALSE:
        raise ConfigError(f"{tls_name}: neither true nor false")
    return Address(nodes=(node,), db=db_of(env), tls=tls.lower() in TRUE)


def db_of(env: Mapping[str, str]) -> int:
    db, name = first(env, ("KV_DB", "REDIS_DB"))
    return urls.parse_db(db, name) if db else 0


def secret(env: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """(value, the file that it came from) of the first of these variables or of its _FILE form."""
    for name in names:
        if env.get(name):
            return env[name], ""
        if env.get(name + "_FILE"):
            return read_secret(env[name + "_FILE"], name + "_FILE"), env[name + "_FILE"]
    return "", ""


def read_secret(path: str, source: str) -> str:
    """A file's content without the line end that editors add."""
    try:
        text = Path(path).read_bytes().decode()
    except (OSError, ValueError):
        raise ConfigError(f"{source}: the file cannot be read") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError(f"{source}: the file is empty")
    return text
