"""What the house looks like: rooms and arrows, sizes, repeats, types and docstrings, tests beside sources.

    python benchmarks/house.py            # a table; the last line is JSON

A repeat is six or more lines in a row that stand elsewhere too, equal or of the same shape (other names, strings, numbers),
without imports, signatures and docstrings; the fields of a class are the signature of it. Lines are counted once however often
they are repeated. The second share leaves out what is no code but has a shape, too: rows of literals, as tables, lists of words
and the three texts of an error are.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from _common import table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import rooms

TESTS = Path(__file__).parents[1] / "tests"
LONG = 60  # lines of a function
ROW = 6  # lines of a repeat
LITERALS = set("S 0 , : ( ) [ ] { } |".split())
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function of a file."""
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Return how many lines a function has."""
    return (function.end_lineno or 0) - function.lineno + 1


def only_options(path: Path, function: Function) -> bool:
    """Return whether a verb of the command line is long for its options alone: without signatures it is not."""
    signatures = sum(inner.body[0].lineno - inner.lineno for inner in functions(function))
    return "cli" in path.parts and length(function) - signatures <= LONG


def public(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions and methods that others may call."""
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        own = (each for each in inside if isinstance(each, Function) and not each.name.startswith("_"))
        yield from (each for each in own if "overload" not in map(ast.unparse, each.decorator_list))


def typed(function: Function) -> bool:
    """Return whether everything of a signature has a type."""
    given = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return function.returns is not None and all(a.annotation or a.arg in ("self", "cls") for a in given)


def shapes(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of code of a file with names, strings and numbers taken out, each with its number."""
    text = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            skipped |= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        elif isinstance(node, Function):
            skipped |= {*range(node.lineno, node.body[0].lineno)}
        if isinstance(node, Function | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            said = node.body[0]
            skipped |= {*range(said.lineno, (said.end_lineno or said.lineno) + 1)}
    skipped |= fields(path)
    lines: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            continue
        name = token.type == tokenize.NAME and not keyword.iskeyword(token.string)
        shape = {tokenize.STRING: "S", tokenize.NUMBER: "0"}.get(token.type, "N" if name else token.string)
        lines[token.start[0]].append(shape)
    yield from ((number, " ".join(shape)) for number, shape in sorted(lines.items()) if number not in skipped)


def fields(path: Path) -> set[int]:
    """Return the numbers of the lines that declare fields of classes, and the heads of dataclasses."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for own in node.body:
                if isinstance(own, ast.AnnAssign):
                    found |= {*range(own.lineno, (own.end_lineno or own.lineno) + 1)}
            marks = [mark for mark in node.decorator_list if "dataclass" in ast.unparse(mark)]
            found |= {mark.lineno for mark in marks} | ({node.lineno} if marks else set())
    return found


def code(path: Path) -> list[tuple[int, str]]:
    """Return the shapes of a file without rows of literals."""
    return [(number, shape) for number, shape in shapes(path) if set(shape.split()) - LITERALS]


def repeats(found: dict[Path, list[tuple[int, str]]]) -> float:
    """Return the share of lines that stand in a repeat."""
    places: dict[tuple[str, ...], list[tuple[Path, int]]] = defaultdict(list)
    for path, lines in found.items():
        for start in range(len(lines) - ROW + 1):
            places[tuple(shape for _, shape in lines[start : start + ROW])].append((path, start))
    repeated = {
        (path, start + offset)
        for where in places.values()
        if len(where) > 1
        for path, start in where
        for offset in range(ROW)
    }
    return len(repeated) / sum(map(len, found.values()))


def mirrored(paths: list[Path]) -> int:
    """Return how many files have a test of their name in the room of their name, or below it."""
    tests = {(path.relative_to(TESTS).parts[0], path.stem.removeprefix("test_")) for path in TESTS.rglob("test_*.py")}
    return sum((rooms.module(path).split(".")[0], path.stem) in tests for path in paths)


def main() -> None:
    """Print the table and the JSON."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in rooms.FILES}
    sizes = sorted((len(path.read_text(encoding="utf-8").splitlines()), path) for path in rooms.FILES)
    long = [(path, f) for path, tree in trees.items() for f in functions(tree) if length(f) > LONG]
    verbs = [f"{rooms.module(path)}.{f.name}" for path, f in long if only_options(path, f)]
    others = [f"{rooms.module(path)}.{f.name}" for path, f in long if not only_options(path, f)]
    offered = [f for tree in trees.values() for f in public(tree)]
    arrows = {name: rooms.imports(path) for name, path in rooms.MODULES.items() if name not in ("", "__main__")}
    between = {(rooms.room(a), rooms.room(b)) for a, to in arrows.items() for b in to if rooms.room(a) != rooms.room(b)}
    up = {
        (a, b)
        for a, to in arrows.items()
        for b in to
        if rooms.ORDER.index(rooms.room(b)) > rooms.ORDER.index(rooms.room(a))
    }
    bare = {name: rooms.imports(path, types=False) - {name} for name, path in rooms.MODULES.items() if name}
    for name, to in rooms.LATE:
        bare[name] -= {to}
    own = [path for path in rooms.FILES if path.name != "__init__.py"]
    found = {
        "files": len(rooms.FILES),
        "files at the top": len(list(rooms.SOURCE.glob("*.py"))),
        "rooms": len(rooms.ORDER),
        "arrows between rooms": len(between),
        "arrows that run up": len(up),
        "circles of files": len(rooms.circles(bare)),
        "lines, median file": median(size for size, _ in sizes),
        "lines, longest file": sizes[-1][0],
        f"functions over {LONG} lines": len(others),
        f"verbs over {LONG} lines, for their options": len(verbs),
        "repeated lines, share": round(repeats({path: list(shapes(path)) for path in rooms.FILES}), 4),
        "repeated lines of code, share": round(repeats({path: code(path) for path in rooms.FILES}), 4),
        "public functions": len(offered),
        "of them typed": sum(map(typed, offered)),
        "of them documented": sum(bool(ast.get_docstring(f)) for f in offered),
        "files with a test of their name": mirrored(own),
        "of files": len(own),
    }
    table("The house", ["what", "figure"], [[key, str(value)] for key, value in found.items()])
    print(f"longest: {rooms.module(sizes[-1][1])}; over {LONG} lines: {', '.join(others) or 'none'}")
    print(f"verbs over {LONG} lines for their options: {', '.join(verbs) or 'none'}")
    print(json.dumps(found, sort_keys=True))


if __name__ == "__main__":
    main()
