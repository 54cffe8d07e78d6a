"""Types for keys.pyx."""
from collections.abc import Sequence

from kv._core.runtime.registry import Declaration

def has_keys(declaration: Declaration) -> bool: ...
def find_keys(declaration: Declaration, words: Sequence[bytes]) -> list[tuple[int, list[str]]]: ...
