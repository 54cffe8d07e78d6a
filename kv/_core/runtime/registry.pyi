"""Types for registry.pyx."""
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, TypeVar

Body = TypeVar("Body", bound=Callable[..., Any])

FLAGS: dict[str, int]
HIDDEN_FLAGS: set[str]
CATEGORIES: list[str]
GROUP_CATEGORIES: dict[str, str]
FLAG_CATEGORIES: dict[str, str]

class Declaration:
    name: str
    arity: int
    group: str
    since: str
    keys: str
    args: str
    complexity: str
    summary: str
    acl: str
    tips: list[str]
    history: list[tuple[str, ...]]
    deprecated_since: str
    replaced_by: str
    subcommands: dict[str, Declaration]
    id: int
    key_specs: list[dict[str, Any]]
    key_range: tuple[int, int, int]
    flags: list[str]
    is_container: bool

    def __init__(self, name: str, arity: int, flags: str, keys: str, group: str, since: str, complexity: str, summary: str,
                 args: str, acl: str, tips: str, history: Iterable[str], deprecated: str) -> None: ...
    @property
    def has_keys(self) -> bool: ...
    @property
    def shown_flags(self) -> list[str]: ...
    @property
    def arguments(self) -> list[dict[str, Any]]: ...
    @property
    def categories(self) -> list[str]: ...

declarations: dict[str, Declaration]
by_id: list[Declaration]
named: dict[str, Declaration]
kept_names: list[bytes]

def declare(body: int, name: str, arity: int, flags: str = ..., *, handler: Callable[..., Any] | None = ..., keys: str = ...,
            group: str = ..., since: str = ..., complexity: str = ..., summary: str = ..., args: str = ..., acl: str = ...,
            tips: str = ..., history: Iterable[str] = ..., deprecated: str = ..., member: int = ...) -> None: ...
def container(name: str, **docs: Any) -> None: ...
def command(name: str, arity: int, flags: str = ..., **docs: Any) -> Callable[[Body], Body]: ...
def declare_package(package: ModuleType) -> None: ...
def set_python_body(body: int) -> None: ...
def find_keys(declaration: Declaration, words: Sequence[bytes]) -> list[tuple[int, list[str]]]: ...
def rename_commands(renames: Iterable[tuple[str, str]]) -> None: ...
