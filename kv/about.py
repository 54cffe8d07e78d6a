"""What the programs say of themselves."""

import kv


def version_line(program: str) -> str:
    """In the form of valkey-cli and redis-cli, whose second word scripts take for the version: as the server reports it."""
    return f"{program} {kv.VALKEY_VERSION} (build:{kv.__version__})"
