"""redis-py for Hanzo KV: where the server is and what its password is come from the environment and the KMS."""
from .address import Address, ConfigError, parse_url
from .client import KV, AsyncKV, cluster
from .config import KMSConfig, KVConfig, url_from_env
from .credentials import FileCredentials, KMSCredentials, RotatingCredentials
from .kms import KMS, CredentialsError, KMSError
from .logs import JSONFormatter, log_json
from .store import AsyncKVClient, KVClient

__version__ = "0.1.0"
__all__ = ["KMS", "KV", "Address", "AsyncKV", "AsyncKVClient", "ConfigError", "CredentialsError", "FileCredentials",
           "JSONFormatter", "KMSConfig", "KMSCredentials", "KMSError", "KVClient", "KVConfig", "RotatingCredentials", "cluster",
           "log_json", "parse_url", "url_from_env"]
