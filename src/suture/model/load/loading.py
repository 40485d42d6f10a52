"""The door of every model: what a folder or repository holds is looked at before it is loaded, and what came out after.

transformers fills what it does not find with random numbers, follows an adapter's file to another model and runs pickles;
nothing of that may pass for the model that was named.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import find_adapter_config_file

from ...checkpoint.format.causes import SOURCE, fault
from ...checkpoint.format.contents import ADAPTER, CONFIG, GGUF, INDEX, SINGLE, told_adapter, told_file, weight_files
from ...checkpoint.format.contents import read_config as config_file
from ...checkpoint.format.folder import check_finished
from ...checkpoint.format.reading import steady
from ...errors import SutureError, UsageError
from ...io.network import unreachable
from ...io.system import explained
from ...registry import models
from ..arch.forms import disk_tensors
from .filled import check_filled, check_finite, check_tokens
from .kinds import UNBUILT, built, check_files, check_kind, check_words, unread
from .named import FETCHABLE


@dataclass(frozen=True)
class Loaded:
    """A model as it was stored.

    Attributes:
        model: the transformers model.
        tokenizer: its tokenizer.
        files: folder of its checkpoint, if it is known.
        dtypes: type on disk of each tensor.
        commit: of a repository; "" of a folder.
    """

    model: Any
    tokenizer: Any
    files: Path | None
    dtypes: dict[str, torch.dtype]
    commit: str


def load(name: str | Path, folder: Path, revision: str | None, put: Callable[[Any], None]) -> Loaded:
    """Load a model from a folder, or from a repository where there is no such folder; locked against changes meanwhile.

    Args:
        name: as it was given.
        folder: that it means if there is one.
        revision: branch, tag or commit of a repository.
        put: brings the model to where it is used, out of the files that it is mapped from.

    Raises:
        UsageError: when there is no such model.
        UnsupportedModel: when it is none that suture can change.
        CorruptFile: when the files do not fill the model, or a change of them was not finished.
        ResourceError: when a run is changing it.
    """
    local = is_local(name, folder)
    place = str(folder) if local else str(name)
    offline = not local and unreachable()
    with steady(folder) if local else nullcontext():
        config = read_config(name, folder, revision, offline=offline)
        if local:
            check_files(name, folder)
        tokenizer = read_tokenizer(name, place, revision, local=local, offline=offline)
        try:
            with quiet():
                model, info = transformers.AutoModelForCausalLM.from_pretrained(
                    place, config=config, revision=revision, dtype="auto", trust_remote_code=False,
                    local_files_only=offline, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True,
                )  # fmt: skip
        except (OSError, ValueError, SafetensorError) as problem:
            why = (str(problem).strip() or repr(problem)).splitlines()[0]
            if "use_safetensors" in why:
                raise fault("pickled", name=name, file="no model.safetensors") from problem
            raise explained(problem, f"can not load {name}", fix=_source(name)) from problem
        except UNBUILT:
            built(name, config)  # says so where the config is the cause
            raise
        check_filled(name, model, info)
        check_tokens(name, model, tokenizer)
        put(model)
        check_finite(name, model)
        files = folder if local else _snapshot(str(name), revision, offline=offline)
        commit = getattr(config, "_commit_hash", None) or revision or ""
        return Loaded(model, tokenizer, files, disk_tensors(files), commit)


def read_tokenizer(
    name: str | Path, place: str | Path, revision: str | None = None, *, local: bool = True, offline: bool = True
) -> Any:  # noqa: ANN401 - of transformers
    """Return the tokenizer of a model.

    Args:
        name: of the model, as it was given.
        place: the folder or the repository of its files.
        revision: branch, tag or commit of a repository.
        local: whether it is a folder.
        offline: look at the Hub's cache alone.

    Raises:
        CorruptFile: when its files can not be read.
        UsageError: when there are none.
    """
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(
                place, revision=revision, trust_remote_code=False, local_files_only=offline
            )
    except (OSError, ValueError) as problem:
        why = (str(problem).strip() or repr(problem)).splitlines()[0]
        if local and isinstance(problem, ValueError):
            raise fault("broken tokenizer", name=name, why=why) from problem
        raise explained(problem, f"can not load the tokenizer of {name}", fix=_source(name)) from problem
    except (LookupError, AttributeError, TypeError) as problem:  # of transformers, about words that can not be
        raise fault("broken tokenizer", name=name, why=f"{type(problem).__name__}: {problem}") from problem


def is_local(name: str | Path, folder: Path) -> bool:
    """Return whether a model is a folder here.

    Raises:
        UsageError: when it is meant as one and is not there, or is there and no model.
    """
    if folder.is_dir():
        if not (folder / CONFIG).is_file() and not (folder / ADAPTER).is_file():
            if any(file.suffix == GGUF for file in folder.iterdir()):
                weight_files(folder)  # says what they are
            raise fault("no config", name=folder)
        return True
    if folder.is_file():
        raise told_file(name, folder)
    if str(name).startswith((".", "/", "~")) or str(name).count("/") > 1:
        raise UsageError(
            f"no folder {name}", fix='Give a folder, a Hub name such as "Qwen/Qwen2.5-0.5B", or "patient".'
        )
    return False


def read_config(name: str | Path, folder: Path, revision: str | None = None, *, offline: bool | None = None) -> Any:  # noqa: ANN401 - a transformers config
    """Return the config of a model that suture can change.

    Args:
        name: as it was given.
        folder: that it means if there is one.
        revision: branch, tag or commit of a repository.
        offline: look at the Hub's cache alone; by default where the Hub can not be reached.

    Raises:
        UsageError: when there is none that can be read, or an adapter beside it.
        UnsupportedModel: when the model is quantised, or no decoder-only language model.
        CorruptFile: when a change of the folder was not finished.
    """
    place = str(name)
    if folder.is_dir():
        place = str(folder)
        check_finished(folder)
        if (folder / ADAPTER).is_file():
            has_weights = (folder / SINGLE).exists() or (folder / INDEX).exists()
            raise told_adapter(name, folder / ADAPTER, beside=has_weights)
        config_file(folder, name)
    elif offline is None:
        offline = unreachable()
    here = {"revision": revision, "local_files_only": bool(offline)}
    try:
        with quiet():
            adapter = None if folder.is_dir() else find_adapter_config_file(place, **here)
            if adapter is not None:
                raise told_adapter(name, Path(adapter))
            words, _ = transformers.PreTrainedConfig.get_config_dict(place, **here)
            check_words(name, words)
            config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False, **here)
    except SutureError:
        raise
    except (OSError, ValueError) as problem:
        raise explained(problem, f"can not load {name}: can not read the config of it", fix=_source(name)) from problem
    except (StrictDataclassError, *UNBUILT) as problem:
        raise fault("broken config", name=name, why=unread(problem)) from problem
    check_kind(name, config)
    return config


def _source(name: str | Path) -> str:
    """Return what to do when a model can not be found: what may have been meant, or where models come from."""
    near = difflib.get_close_matches(str(name), [*models(), *FETCHABLE], 1)
    return f'Did you mean "{near[0]}"? {SOURCE}' if near else SOURCE


def _snapshot(name: str, revision: str | None, *, offline: bool) -> Path | None:
    """Return the folder of the Hub's cache that holds a repository's files."""
    config = transformers.utils.cached_file(name, "config.json", revision=revision, local_files_only=offline)
    return Path(config).parent if config else None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing what is said here in an error of its own."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
