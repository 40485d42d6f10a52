"""The plan of the house: its rooms in order, what each file imports, and files that go round in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import suture

SOURCE = Path(suture.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ORDER = (  # a room may import those before it, and none behind it
    "errors renamed calls registry numerics text io data patch checkpoint model judges metrics locate methods measure runs "
    "memory sequential search report export goals organisms chat serve cli"
).split()
TOP = {"__init__.py", "__main__.py", "errors.py", "registry.py"}
LATE = {  # arrows that run up, inside of functions, and why
    ("patch.patch", "export.hub"): "Patch.save_pretrained, from_pretrained and push_to_hub, as everyone calls them",
    ("patch.patch", "export.adapter"): "Patch.load and from_pretrained take what peft wrote",
}


def module(path: Path) -> str:
    """Return the dotted name of a file, below suture."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


def imports(path: Path, *, types: bool = True) -> set[str]:
    """Return the modules of the package that a file imports; `types` includes those for annotations alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = list(path.relative_to(SOURCE).parts[:-1])
    unread = set() if types else {id(node) for block in tree.body if _typing(block) for node in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in unread:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            for alias in node.names:
                name = ".".join(filter(None, [*base, alias.name]))
                found.add(name if name in MODULES else ".".join(filter(None, base)))
    return found - {""}


def _typing(block: ast.stmt) -> bool:
    return isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"


def room(name: str) -> str:
    return name.split(".")[0]


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of files each of which can be reached from all others of its set."""
    reached = {name: set(to) for name, to in arrows.items()}
    while any(
        [len(far) != len(far.update(*(reached.get(to, ()) for to in list(far))) or far) for far in reached.values()]
    ):
        pass
    found = {frozenset(o for o in far if name in reached.get(o, ())) for name, far in reached.items() if name in far}
    return [set(circle) for circle in found]
