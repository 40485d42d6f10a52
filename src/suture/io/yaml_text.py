"""YAML that anyone may have written: read safely, and refused where reading it would take without end.

Limits on its size, its depth and on what its aliases unfold to; a key that stands twice is a mistake (YAML would take the last).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..errors import DataError, SutureError
from .files import read_text

LARGEST = 1 << 18  # characters
DEEPEST = 40  # brackets in brackets
MOST = 20_000  # nodes, each alias counted as what it stands for


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # yaml brings no types
    """A safe loader that counts how deep it is."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read one node and what is in it.

        Raises:
            yaml.MarkedYAMLError: when it lies too deep.
        """
        self.depth += 1
        if self.depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem=f"it is nested more than {DEEPEST} deep", problem_mark=mark)
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self.depth -= 1


def read(path: Path, fix: str) -> tuple[yaml.Node, Any]:
    """Return a file's node and its content.

    Args:
        path: the file.
        fix: what to do when it can not be read.

    Raises:
        DataError: when it can not be read, or is no YAML within the limits; with the line.
        ResourceError: when the disk fails, or files have run out.
    """
    text = read_text(path, encoding="utf-8-sig", most=LARGEST + 1)
    if len(text) > LARGEST:
        raise DataError(f"can not read {path}", why=f"It has more than {LARGEST} characters.", fix=fix)
    return parsed(text, str(path), fix)


def parsed(text: str, name: str, fix: str) -> tuple[yaml.Node, Any]:
    """Return the node and the content of a text; see `read`. An empty text has the content None."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return yaml.ScalarNode("tag:yaml.org,2002:null", ""), None
        _count(root, {}, name, fix)
        _refuse_twins(root, name, set())
        return root, loader.construct_document(root)
    except SutureError:  # said already
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, AttributeError) as problem:
        mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        why = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise DataError(f"{name}{where}: not YAML", why=f"{str(why).rstrip('.')}.", fix=fix) from problem
    finally:
        loader.dispose()


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _count(node: yaml.Node, counts: dict[int, tuple[int, int]], name: str, fix: str) -> tuple[int, int]:
    """Return how many nodes one unfolds to and how deep; an alias stands for what was looked at before it."""
    if id(node) not in counts:
        counts[id(node)] = MOST, DEEPEST  # what an alias inside of its own anchor finds
        inner = [_count(child, counts, name, fix) for child in _children(node)]
        counts[id(node)] = 1 + sum(size for size, _ in inner), 1 + max((depth for _, depth in inner), default=0)
    size, depth = counts[id(node)]
    if size > MOST or depth > DEEPEST:
        where = f"{name}, line {node.start_mark.line + 1}"
        why = f"At most {MOST} parts are read, {DEEPEST} deep."
        raise DataError(f"{where}: its aliases unfold to too much", why=why, fix=fix)
    return size, depth


def _refuse_twins(node: yaml.Node, name: str, seen: set[int]) -> None:
    """Raise DataError for a key that stands twice."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in keys:
                    where = f"{name}, line {key.start_mark.line + 1}"
                    raise DataError(f"{where}: {key.value!r} stands twice", fix="Remove one of them.")
                keys.add(key.value)
    for child in _children(node):
        _refuse_twins(child, name, seen)
