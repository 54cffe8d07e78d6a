"""The stubs of compiled modules against the modules: what one has the other has, with the same parameters."""
from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
STUBS = sorted(ROOT.glob("kv/**/*.pyi"))
COMPILED = ("cython_function_or_method", "builtin_function_or_method")


def module_of(stub: Path) -> ModuleType:
    return importlib.import_module(".".join(stub.relative_to(ROOT).with_suffix("").parts))


def defined(nodes: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Name -> what a stub's body says of it; imports and type variables are its own."""
    found: dict[str, ast.stmt] = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


def signature_of(function: object) -> inspect.Signature | None:
    try:
        return inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def parameters(signature: inspect.Signature) -> list[tuple[str, bool, int]]:
    """(name, whether it has a default, kind) of each."""
    return [(one.name, one.default is not one.empty, int(one.kind)) for one in signature.parameters.values()
            if one.name != "self"]


def stated(node: ast.FunctionDef) -> list[tuple[str, bool, int]]:
    """The same of a stub's function."""
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    first_default = len(plain) - len(arguments.defaults)
    found = [(one.arg, index >= first_default, int(inspect.Parameter.POSITIONAL_OR_KEYWORD)) for index, one in enumerate(plain)]
    if arguments.vararg:
        found.append((arguments.vararg.arg, False, int(inspect.Parameter.VAR_POSITIONAL)))
    found += [(one.arg, default is not None, int(inspect.Parameter.KEYWORD_ONLY))
              for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        found.append((arguments.kwarg.arg, False, int(inspect.Parameter.VAR_KEYWORD)))
    return [one for one in found if one[0] != "self"]


def own_names(module: ModuleType) -> set[str]:
    """Public functions and classes that a module itself defines."""
    return {name for name, value in vars(module).items() if not name.startswith("_")
            and (isinstance(value, type | FunctionType) or type(value).__name__ in COMPILED)
            and getattr(value, "__module__", None) == module.__name__}


@pytest.mark.parametrize("stub", STUBS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_stub_says_what_its_module_has(stub: Path) -> None:
    module = module_of(stub)
    said = defined(ast.parse(stub.read_text()).body)
    missing = own_names(module) - said.keys()
    assert not missing, f"the stub has no {sorted(missing)}"
    for name, node in said.items():
        assert hasattr(module, name), f"the module has no {name}"
        if isinstance(node, ast.FunctionDef):
            compare(name, node, getattr(module, name))
        elif isinstance(node, ast.ClassDef):
            compare_classes(node, getattr(module, name))


def compare(name: str, node: ast.FunctionDef, function: object) -> None:
    signature = signature_of(function)
    if signature is not None:
        assert stated(node) == parameters(signature), name


def compare_classes(node: ast.ClassDef, one: type) -> None:
    said = defined(node.body)
    public = {name for name in vars(one) if not name.startswith("_")}
    missing = public - said.keys()
    assert not missing, f"the stub of {one.__name__} has no {sorted(missing)}"
    for name, member in said.items():
        if name == "__init__":
            continue        # Cython's constructors show no parameters, nor do other methods with a slot of the type
        annotated = isinstance(member, ast.AnnAssign)
        assert hasattr(one, name) or (annotated and is_python_class(one)), f"{one.__name__} has no {name}"
        if isinstance(member, ast.FunctionDef) and not member.decorator_list and not name.startswith("__"):
            compare(f"{one.__name__}.{name}", member, vars(one)[name])


def is_python_class(one: type) -> bool:
    """Whether instances have attributes that the class does not name."""
    return bool(one.__dictoffset__)


def test_there_are_stubs_for_what_python_imports() -> None:
    """Without one a name that is spelled wrong is found by whoever runs into it; mypy finds a missing stub."""
    text = (ROOT / "pyproject.toml").read_text()
    assert "ignore_missing_imports" not in text and len(STUBS) > 20
