"""What a configuration may ask for and this release does not do yet.

Where going on would open a door that the file means to be shut, or leave shut one that clients knock at, the server
does not start; where it would only do less, it says so at every start.
"""
from __future__ import annotations

from .config.source import FatalConfigError, fatal
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config


def refuse_absent(config: Config) -> None:
    """Raises FatalConfigError for what must not be passed over. tls-port, which CONFIG SET can change, has a check."""
    if config.sentinel_mode:
        raise FatalConfigError("kv-server: Sentinel mode is not part of this release")
    if config.aclfile:
        raise fatal("aclfile: ACL files are not part of this release")
    for directives, what in ((config.users, "ACL users"), (config.modules, "Modules")):
        for directive in directives:
            raise directive.error(f"{what} are not part of this release")


def warn_of_absent(config: Config) -> None:
    if config.replicaof:
        log("warning", "WARNING Replication is not part of this release: replicaof has no effect, this server is a primary.")
    if config.cluster_enabled:
        log("warning", "WARNING Cluster mode is not part of this release: cluster-enabled has no effect.")
    if config.save and not config.appendonly:
        log("warning", "WARNING Snapshots are not part of this release and appendonly is off: the data is gone when this "
                       "process ends. Set appendonly to yes to keep it, or save to \"\" if that is meant.")
