"""The configuration. config.py: how it is used; option.py: what an option is; table.py: which exist."""
from .config import Config
from .directive import Directive, FatalConfigError, Request
from .option import ConfigError

__all__ = ["Config", "ConfigError", "Directive", "FatalConfigError", "Request"]
