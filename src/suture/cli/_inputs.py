"""What several verbs read from their shared options: labelled texts, and patches as one."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..memory import Memory
    from ..patch.patch import Patch


def load_patch(paths: Sequence[Path | str] | None, model: str, scale: float = 1.0) -> Patch | None:
    """Return the sum of patch files, or adapters, of a model at a strength; None without any."""
    from ..patch.patch import Patch

    loaded = [Patch.load(path, base=model) for path in paths or ()]
    return reduce(add, loaded) * scale if loaded else None


def named_patches(words: Sequence[str], model: str) -> dict[str, Patch]:
    """Return patches of a model by name; NAME=FILE, or FILE with the name of the file."""
    from ..patch.patch import Patch

    return {name: Patch.load(path, base=model) for name, path in _named_paths(words, "patch", "patches").items()}


def named_memories(words: Sequence[str]) -> dict[str, Memory]:
    """Return memories of facts by name; NAME=FILE, or FILE with the name of the file."""
    from ..memory import Memory

    return {name: Memory.load(path) for name, path in _named_paths(words, "memory", "memories").items()}


def _named_paths(words: Sequence[str], option: str, many: str) -> dict[str, str]:
    from ..errors import UsageError

    paths: dict[str, str] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or Path(word).exists():
            name, path = Path(word).stem, word
        if not name or name in paths:
            raise UsageError(f"two {many} are called {name!r}", fix=f"Name them: --{option} NAME=FILE")
        paths[name] = path
    return paths
