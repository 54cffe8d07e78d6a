"""The configuration. config.py: how it is used; option.py: what an option is; table.py: which exist."""
from .config import Config
from .option import ConfigError
from .source import Directive, FatalConfigError, Request

__all__ = ["Config", "ConfigError", "Directive", "FatalConfigError", "Request"]
