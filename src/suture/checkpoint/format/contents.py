"""What a path holds that was given as a model: told by names and first bytes, before anything in it is believed."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

from ...errors import CorruptFile, SutureError
from ...io.adapters import ADAPTER as ADAPTER
from ...io.adapters import is_adapter as is_adapter
from .causes import AGAIN, fault
from .header import LARGEST, read_json, regular

SINGLE, INDEX, CONFIG = "model.safetensors", "model.safetensors.index.json", "config.json"
GENERATION = "generation_config.json"
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,250}\.safetensors")
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
GGUF = ".gguf"
LARGEST_INDEX = 100_000_000  # bytes
TOKENIZERS = (  # one of them at least holds the tokens
    "tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json",
)  # fmt: skip
TOKENIZED_BY = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
)  # JSON, all of them
TEMPLATE = "chat_template.jinja"
TOKENIZED = ("BPE", "Unigram", "WordLevel", "WordPiece")  # kinds of model in a tokenizer.json


def told_file(name: str | Path, file: Path) -> SutureError:
    """Return what a file is that was given in place of a model's folder.

    Args:
        name: as it was given.
        file: that it means.
    """
    with file.open("rb") as stream:
        beginning = stream.read(8)
        size = struct.unpack("<Q", beginning)[0] if len(beginning) == 8 else 0
        head = stream.read(size) if size <= LARGEST else b""
    if beginning.startswith(b"GGUF"):
        return fault("gguf", name=name, file=file.name)
    try:
        kind = json.loads(head)["__metadata__"]["format"]
    except (ValueError, LookupError, TypeError, RecursionError):
        kind = ""
    if str(kind).startswith("suture."):
        return fault("patch", name=name, kind=str(kind).removeprefix("suture.").partition("/")[0])
    if file.name.startswith("adapter_model") and (file.parent / ADAPTER).is_file():
        return told_adapter(name, file.parent / ADAPTER)
    return fault("a file", name=name, folder=file.absolute().parent)


def told_adapter(name: str | Path, config: Path, *, beside: bool = False) -> SutureError:
    """Return that a model is an adapter, or has one beside its weights, and of which base.

    Args:
        name: as it was given.
        config: its adapter_config.json.
        beside: whether it has weights of its own.
    """
    base = read_json(config).get("base_model_name_or_path")
    named = base if isinstance(base, str) and base else "a model that it does not name"
    return fault("adapter beside" if beside else "adapter", name=name, base=named)


def read_config(path: Path, name: str | Path | None = None) -> dict[str, Any]:
    """Return config.json as data, empty if there is none.

    Args:
        path: the folder.
        name: what errors call it, if not by its path.

    Raises:
        CorruptFile: when it is damaged.
    """
    if not (path / CONFIG).exists():
        return {}
    try:
        return read_json(path / CONFIG)
    except CorruptFile as problem:
        if problem.what.endswith("the file itself"):
            raise
        why = f"{problem.what}. {problem.why}".strip()
        raise fault("broken config", name=path if name is None else name, why=why) from problem


def check_generation(path: Path, name: str | Path | None = None) -> None:
    """Raise CorruptFile when generation_config.json is damaged: transformers would go on without it, and without its ends.

    Args:
        path: the folder.
        name: what errors call it, if not by its path.
    """
    if not (path / GENERATION).exists():
        return
    try:
        read_json(path / GENERATION)
    except CorruptFile as problem:
        if problem.what.endswith("the file itself"):
            raise
        why = f"{problem.what}. {problem.why}".strip().rstrip(".") + "."
        raise fault("broken generation", name=path if name is None else name, why=why) from problem


def weight_files(path: Path, name: str | Path | None = None) -> tuple[list[str], dict[str, str] | None]:
    """Return the names of the shards, and what the index says of each tensor if there is one.

    Args:
        path: the folder.
        name: what errors call it, if not by its path.

    Raises:
        UsageError: when there are no weights, or those of an adapter.
        UnsupportedModel: when they are pickled, or GGUF.
        CorruptFile: when there are two sets of them, some are not there, or the index is damaged.
    """
    called = path if name is None else name
    single, index = (path / SINGLE).exists(), (path / INDEX).exists()
    if single and index:
        raise fault("two sets", name=called, single=SINGLE, index=INDEX)
    if single:
        return [SINGLE], None
    if not index:
        raise _without(path, called)
    content = read_json(inside(path, path / INDEX), LARGEST_INDEX).get("weight_map")
    if not isinstance(content, dict) or not content or not all(isinstance(v, str) for v in content.values()):
        raise CorruptFile(f"{path / INDEX} has no weight_map", fix=AGAIN)
    names = sorted(set(content.values()))
    for shard in names:
        if not SAFE.fullmatch(shard):
            raise CorruptFile(
                f"{path / INDEX} names an unsafe file", why=f"{shard[:80]!r}", fix="Do not use this checkpoint."
            )
    missing = [shard for shard in names if not (path / shard).exists()]
    if missing:
        raise fault("missing shard", name=called, missing=len(missing), total=len(names), file=missing[0])
    return names, content


def check_tokenizer(path: Path, name: str | Path | None = None) -> None:
    """Look at the files of a tokenizer, if they are JSON.

    Args:
        path: the folder.
        name: what errors call it, if not by its path.

    Raises:
        UsageError: when there are none.
        CorruptFile: when one of them is damaged.
    """
    called = path if name is None else name
    if not any((path / file).exists() for file in TOKENIZERS) and not any(path.glob("*.tiktoken")):
        raise fault("no tokenizer", name=called, files=", ".join(TOKENIZERS[:4]), folder=path)
    for file in (path / name for name in TOKENIZED_BY if (path / name).exists()):
        try:
            content = read_json(file, LARGEST_INDEX)
        except CorruptFile as problem:
            if problem.what.endswith("the file itself"):
                raise
            raise fault("broken tokenizer", name=called, why=f"{problem.what}. {problem.why}".strip()) from problem
        model = content.get("model", {}) if file.name == "tokenizer.json" else None
        if model is not None and not (isinstance(model, dict) and _vocabulary(model) and "added_tokens" in content):
            raise fault("broken tokenizer", name=called, why=f"{file} holds no tokens that are known.")
        if not isinstance(content.get("tokenizer_class", ""), str | None):
            raise fault(
                "broken tokenizer", name=called, why=f"{file} says {content['tokenizer_class']!r} for its class."
            )
    if (path / TEMPLATE).is_file() and not _decodes(path / TEMPLATE):
        raise fault("broken tokenizer", name=called, why=f"{path / TEMPLATE} is not UTF-8.")


def inside(folder: Path, path: Path) -> Path:
    """Return a path that lies in a folder, also after following links.

    The Hub's cache keeps files as links into the `blobs` of the same repository; that, too, is inside.

    Raises:
        CorruptFile: when it leads elsewhere.
    """
    root, target = folder.resolve(), path.resolve()
    blobs = root.parents[1] / "blobs" if root.parent.name == "snapshots" else root
    if not (target.is_relative_to(root) or target.is_relative_to(blobs)):
        raise CorruptFile(
            f"{path} is a link that leads out of the checkpoint",
            why=f"It points to {target}.",
            fix="Replace the link by the file, if you trust it.",
        )
    return path


def _decodes(file: Path) -> bool:
    try:
        file.read_bytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def _vocabulary(model: dict[str, object]) -> bool:
    return model.get("type", "BPE") in TOKENIZED and bool(model.get("vocab"))


def _without(path: Path, name: str | Path) -> SutureError:
    """Return what is wrong with a folder that has no safetensors of a model."""
    if lost := [file for file in (SINGLE, INDEX) if (path / file).is_symlink()]:
        return fault("missing shard", name=name, missing=1, total=1, file=f"{lost[0]}, a link to nothing")
    if (path / ADAPTER).is_file():
        return told_adapter(name, path / ADAPTER)
    files = sorted(file.name for file in path.iterdir())
    pickled = [file for file in files if file.endswith(PICKLED)]
    if pickled:
        regular(path / pickled[0])
        return fault("pickled", name=name, file=pickled[0])
    converted = [file for file in files if file.endswith(GGUF)]
    if converted:
        return fault("gguf", name=name, file=converted[0])
    return fault("no weights", name=name, single=SINGLE, index=INDEX)
