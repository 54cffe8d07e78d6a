"""What a configuration may ask for and this release does not do yet.

Where going on would open a door that the file means to be shut, or leave shut one that clients knock at, the server
does not start; where it would only do less, it says so at every start. Of options that only tune what is not there
(how replicas are served) nobody is told: they change nothing for a server without it.
"""
from __future__ import annotations

from .config import table
from .config.directive import FatalConfigError, fatal
from .log import log
from .passwordfile import PasswordFile
from .user import DefaultUser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import Config

WITHOUT_EFFECT = ("activedefrag", "io-threads")     # and yet something that one may count on


def refuse_absent(config: Config) -> None:
    """Raises FatalConfigError for what must not be passed over. tls-port, which CONFIG SET can change, has a check."""
    if config.sentinel_mode:
        raise FatalConfigError("kv-server: Sentinel mode is not part of this release")
    if config.rdma_port:
        raise fatal("No RDMA building support.")
    PasswordFile(config, DefaultUser(config))
    for directive in config.modules:
        raise directive.error("Modules are not part of this release")


def warn_of_absent(config: Config, default_user: DefaultUser) -> None:
    """At the start: what has no effect."""
    if config.replicaof:
        log("warning", "WARNING Replication is not part of this release: replicaof has no effect, this server is a primary.")
    if config.cluster_enabled:
        log("warning", "WARNING Cluster mode is not part of this release: cluster-enabled has no effect.")
    if config.requirepass and config.aclfile and default_user.nopass:
        log("warning", "WARNING requirepass has no effect where there is an aclfile, which says that the default user needs no "
                       "password.")
    names = [name for name in WITHOUT_EFFECT if config.value(table.BY_NAME[name]) != table.BY_NAME[name].default]
    if names:
        log("warning", f"WARNING Set but without effect in this release: {', '.join(names)}.")
