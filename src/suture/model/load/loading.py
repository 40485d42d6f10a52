"""The door of every model: what a folder or repository holds is looked at before it is loaded, and what came out after.

transformers fills what it does not find with random numbers, follows an adapter's file to another model and runs pickles;
nothing of that may pass for the model that was named.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers.models.auto import modeling_auto
from transformers.utils import find_adapter_config_file

from ...checkpoint.format.folder import CONVERT, INDEX, SINGLE, Checkpoint, check_finished, weight_files
from ...checkpoint.format.header import read_json
from ...checkpoint.format.reading import steady
from ...checkpoint.format.unsupported import FINER, GRID, quantisation, scheme
from ...errors import CorruptFile, UnsupportedModel, UsageError
from ...io.network import unreachable
from ...io.system import explained
from ...registry import models
from ..arch.forms import disk_tensors

ADAPTER = "adapter_config.json"
PREFIXES = {"_orig_mod.": "torch.compile", "module.": "DistributedDataParallel", "base_model.model.": "PEFT"}
SOURCE = 'Check the name and the network, or use a local folder or "patient".'
log = logging.getLogger(__name__)


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
            check_weights(name, folder)
        try:
            with _quiet():
                tokenizer = transformers.AutoTokenizer.from_pretrained(
                    place, revision=revision, trust_remote_code=False, local_files_only=offline
                )
                model, info = transformers.AutoModelForCausalLM.from_pretrained(
                    place, config=config, revision=revision, dtype="auto", trust_remote_code=False,
                    local_files_only=offline, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True,
                )  # fmt: skip
        except (OSError, ValueError, SafetensorError) as problem:
            why = (str(problem).strip() or repr(problem)).splitlines()[0]
            if "use_safetensors" in why:
                raise UnsupportedModel(
                    f"{name} holds no safetensors", why="Pickles can run any code.", fix=CONVERT
                ) from problem
            raise explained(problem, f"can not load {name}", fix=_source(name)) from problem
        check_filled(name, model, info)
        check_tokens(name, model, tokenizer)
        put(model)
        files = folder if local else _snapshot(str(name), revision, offline=offline)
        commit = getattr(config, "_commit_hash", None) or revision or ""
        return Loaded(model, tokenizer, files, disk_tensors(files), commit)


def is_local(name: str | Path, folder: Path) -> bool:
    """Return whether a model is a folder here.

    Raises:
        UsageError: when it is meant as one and is not there, or is there and no model.
    """
    if folder.is_dir():
        if not (folder / "config.json").is_file() and not (folder / ADAPTER).is_file():
            raise UsageError(
                f"{folder} is not a model",
                why="It has no config.json.",
                fix="Give the folder that save_pretrained wrote.",
            )
        return True
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
            raise _adapter_error(
                name, folder / ADAPTER, has_weights=(folder / SINGLE).exists() or (folder / INDEX).exists()
            )
    elif offline is None:
        offline = unreachable()
    here = {"revision": revision, "local_files_only": bool(offline)}
    try:
        with _quiet():
            adapter = None if folder.is_dir() else find_adapter_config_file(place, **here)
            config = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False, **here)
    except (OSError, ValueError) as problem:
        raise explained(problem, f"can not load {name}: can not read the config of it", fix=_source(name)) from problem
    if adapter is not None:
        raise _adapter_error(name, Path(adapter), has_weights=False)
    check_kind(name, config)
    return config


def _adapter_error(name: str | Path, adapter: Path, *, has_weights: bool) -> UsageError:
    base = read_json(adapter).get("base_model_name_or_path") or "a model that it does not name"
    return UsageError(
        f"{name} holds an adapter of {base}" if has_weights else f"{name} is an adapter of {base}, not a model",
        why=f"Loaders follow its {ADAPTER}, and take the base from elsewhere or put the adapter on what is here.",
        fix="Give the base, or a merged model: in peft, merge_and_unload() and save_pretrained(NEW)."
        + (f" If its own weights are meant: take {ADAPTER} away." if has_weights else ""),
    )


def _source(name: str | Path) -> str:
    """Return what to do when a model can not be found: what may have been meant, or where models come from."""
    near = difflib.get_close_matches(str(name), models(), 1)
    return f'Did you mean "{near[0]}"? {SOURCE}' if near else SOURCE


def check_kind(name: str | Path, config: Any) -> None:  # noqa: ANN401 - a transformers config
    """Raise UnsupportedModel when a config is of a quantised model, or of no decoder-only language model."""
    fields = config.to_dict()
    if method := quantisation(fields):
        raise UnsupportedModel(f"{name} is quantised: {method}", why=GRID, fix=FINER)
    kind = config.model_type
    both_ways = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not fields.get("is_decoder")
    if both_ways or fields.get("is_encoder_decoder") or kind not in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        architectures = ", ".join(fields.get("architectures") or []) or kind
        raise UnsupportedModel(
            f"{name} is no decoder-only language model",
            why=f"config.json says {architectures}"
            + (", an encoder and a decoder." if fields.get("is_encoder_decoder") else "."),
            fix="Use a model that writes on from a text, such as Llama, Qwen, Gemma or GPT-2.",
        )


def check_filled(name: str | Path, model: Any, info: Mapping[str, Any]) -> None:  # noqa: ANN401 - a transformers model
    """Raise CorruptFile when a tensor of a model is not the file's; what the file has beside is noted.

    Args:
        name: of the model.
        model: as transformers loaded it.
        info: what it says of that: missing_keys, unexpected_keys, mismatched_keys.
    """
    missing, beside = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    unfit = sorted(info["mismatched_keys"], key=str)
    total = len(model.state_dict())
    if missing:
        raise CorruptFile(
            f"{len(missing)} of the {total} tensors of {name} are not in its files",
            why=f"{_first(missing)} {_cause(missing, beside, model)}",
            fix=_prefix_advice(missing, beside)
            or "Fetch or save the checkpoint again, with the config.json that belongs to it.",
        )
    if unfit:
        tensor, stored, expected = unfit[0]
        vocabulary = (
            len(stored) == 2 and stored[1:] == expected[1:] and expected[0] == getattr(model.config, "vocab_size", 0)
        )
        raise CorruptFile(
            f"{len(unfit)} of the {total} tensors of {name} have another shape in its files",
            why=f"{tensor} is {tuple(stored)} there, and {tuple(expected)} by config.json."
            + (" The vocabulary was resized." if vocabulary else ""),
            fix=f'Set "vocab_size": {stored[0]} in config.json.'
            if vocabulary
            else "Use the config.json of these weights.",
        )
    if beside:
        log.warning(
            "%s: %d tensors of its files are no part of the model and are left out. %s",
            name,
            len(beside),
            _first(beside),
        )


def check_tokens(name: str | Path, model: Any, tokenizer: Any) -> None:  # noqa: ANN401 - of transformers
    """Raise UsageError when a tokenizer has tokens for which a model has no row."""
    rows = model.get_input_embeddings().weight.shape[0]
    added = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if number >= rows}
    if added or tokenizer.vocab_size > rows:
        tokens = ", ".join(repr(added[number]) for number in sorted(added)[:3])
        raise UsageError(
            f"the tokenizer of {name} has {len(tokenizer):,} tokens, the model {rows:,} rows",
            why=f"No row for {tokens or f'its tokens from {rows:,} on'}: tokens were added, and the embeddings not resized.",
            fix="Use the tokenizer of this model, or model.resize_token_embeddings(len(tokenizer)) and save_pretrained.",
        )


def check_weights(name: str | Path, folder: Path) -> None:
    """Refuse pickles and quantised weights (UnsupportedModel), two sets of weights (CorruptFile), and none (UsageError)."""
    try:
        weight_files(folder)
    except UnsupportedModel:
        raise
    except UsageError as problem:
        raise UsageError(f"can not load {name}", why=problem.why, fix=problem.fix) from problem
    checkpoint = Checkpoint.open(folder)
    for tensor in checkpoint.slots:
        if tensor.endswith(".weight") and (quantised := scheme(checkpoint, tensor)):
            raise UnsupportedModel(f"{name} is quantised: {tensor} is {quantised}", why=GRID, fix=FINER)


def _first(names: list[str]) -> str:
    return f"First {', '.join(names[:3])}."


def _prefix(missing: list[str], beside: list[str]) -> str:
    """Return what stands before every missing name in the files, or an empty string."""
    fit = next((other for other in beside if other.endswith(missing[0])), "")
    prefix = fit.removesuffix(missing[0])
    return prefix if prefix and {f"{prefix}{name}" for name in missing} <= {*beside} else ""


def _cause(missing: list[str], beside: list[str], model: Any) -> str:  # noqa: ANN401 - a transformers model
    if prefix := _prefix(missing, beside):
        by = f", as {PREFIXES[prefix]} names them" if prefix in PREFIXES else ""
        return f"The files have them with {prefix!r} before their names{by}."
    if beside:
        return f"The files have others: {', '.join(beside[:3])}. Another architecture than {type(model).__name__}?"
    return "Loaded all the same, they would be random numbers."


def _prefix_advice(missing: list[str], beside: list[str]) -> str:
    prefix = _prefix(missing, beside)
    return (
        f"Take {prefix!r} off the names in the files, or save the model again from inside its wrapper."
        if prefix
        else ""
    )


def _snapshot(name: str, revision: str | None, *, offline: bool) -> Path | None:
    """Return the folder of the Hub's cache that holds a repository's files."""
    config = transformers.utils.cached_file(name, "config.json", revision=revision, local_files_only=offline)
    return Path(config).parent if config else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing what is said here in an error of its own."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)
