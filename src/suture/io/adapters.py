"""How a folder is told that PEFT wrote: an adapter of a model, with its settings and its weights in two files."""

from __future__ import annotations

from pathlib import Path

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def is_adapter(path: str | Path) -> bool:
    """Return whether a path is the folder of an adapter, or the file of its weights in one."""
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    return (path.is_dir() or path.name.startswith("adapter_model.")) and (folder / ADAPTER).is_file()


def weights_file(path: str | Path) -> Path:
    """Return the file that holds what a patch or an adapter changes: of a folder that PEFT wrote the weights in it."""
    path = Path(path)
    return path / ADAPTER_WEIGHTS if path.is_dir() and is_adapter(path) else path
