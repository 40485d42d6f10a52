"""Which models suture can change: told by config.json and by the files, before a weight is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ...checkpoint.format.causes import WRAPPERS, fault, renamed
from ...checkpoint.format.contents import check_generation, check_tokenizer, weight_files
from ...checkpoint.format.folder import Checkpoint
from ...checkpoint.format.kind import WHOLE, architecture, senses
from ...checkpoint.format.unsupported import quantisation, scheme

UNBUILT = (
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    TypeError,
    ValueError,
    RuntimeError,
    ImportError,
)  # of transformers


def check_words(name: str | Path, words: Mapping[str, Any]) -> None:
    """Raise UnsupportedModel or CorruptFile when config.json, as data, is of no model that transformers knows.

    Args:
        name: of the model.
        words: what config.json says.
    """
    if method := quantisation(words):
        raise fault("quantised", name=name, scheme=method)
    kind = words.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise fault("broken config", name=name, why="It says no model_type.")
    if empty := next((key for key in ("num_hidden_layers", "n_layer") if words.get(key) == 0), ""):
        raise fault("broken config", name=name, why=f"It says {empty} 0: a model without blocks.")
    if kind not in CONFIG_MAPPING:
        if words.get("auto_map"):
            raise fault("remote code", name=name, kind=repr(kind))
        raise fault("unknown kind", name=name, kind=kind, version=transformers.__version__)


def check_kind(name: str | Path, config: Any) -> None:  # noqa: ANN401 - a transformers config
    """Raise UnsupportedModel when a config is of a quantised model, or of no decoder-only language model."""
    words, kind = config.to_dict(), config.model_type
    if method := quantisation(words):
        raise fault("quantised", name=name, scheme=method)
    known = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    named = architecture(words) or kind
    if words.get("is_encoder_decoder"):
        raise fault("encoder-decoder", name=name, architecture=named)
    if kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not words.get("is_decoder"):
        raise fault("masked", name=name, architecture=named)
    inner, reads = words.get("text_config"), senses(words)
    text = known.get(inner.get("model_type")) if isinstance(inner, Mapping) else None
    larger = kind in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or text is not None
    if reads and larger and (kind not in known or str(known[kind]).endswith(WHOLE)):
        saved = f", or save the language model in it, {text}, by itself: docs/models.md says how" if text else ""
        raise fault("pictures", name=name, architecture=named, reads=reads, or_text=saved)
    if kind not in known:
        raise fault("no language model", name=name, architecture=named)


def built(name: str | Path, config: Any) -> Any:  # noqa: ANN401 - of transformers
    """Return the model of a config without memory: its modules, on the meta device.

    Raises:
        CorruptFile: when transformers can not build one, as a word or a number in config.json can not be.
    """
    try:
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(config)
    except UNBUILT as problem:
        raise fault("broken config", name=name, why=unread(problem)) from problem


def unread(problem: Exception) -> str:
    """Return what transformers found in a config.json that it can not use."""
    return f"transformers can not make a model of it: {type(problem).__name__}: {' '.join(str(problem).split())[:200]}"


def check_files(name: str | Path, folder: Path) -> None:
    """Refuse what a folder's files show without being loaded.

    Args:
        name: of the model.
        folder: where its files lie.

    Raises:
        UsageError: when there are no weights, or no tokenizer.
        UnsupportedModel: when the weights are pickled or quantised.
        CorruptFile: when they are damaged, or there are two sets of them.
    """
    weight_files(folder, name)
    checkpoint = Checkpoint.open(folder)
    for prefix in WRAPPERS:
        if checkpoint.slots and all(tensor.startswith(prefix) for tensor in checkpoint.slots):
            names = sorted(tensor.removeprefix(prefix) for tensor in checkpoint.slots)
            raise renamed(name, prefix, names, len(names))
    for tensor in checkpoint.slots:
        if tensor.endswith(".weight") and (quantised := scheme(checkpoint, tensor)):
            raise fault("quantised", name=name, scheme=f"{tensor} is {quantised}")
    check_generation(folder, name)
    check_tokenizer(folder, name)
