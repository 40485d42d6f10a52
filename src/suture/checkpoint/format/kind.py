"""What kind of model a checkpoint holds, by the words of its config.json alone: what suture changes writes on from a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .causes import fault

SENSES = {"vision_config": "pictures", "vq_config": "pictures", "audio_config": "sound"}  # what else a model reads
WHOLE = "ForConditionalGeneration"  # how the classes end that are more than a language model
MASKED = "ForMaskedLM"
DECODER = "ForCausalLM"


def architecture(words: Mapping[str, Any]) -> str:
    """Return how config.json calls the model's class, or its kind."""
    classes = words.get("architectures")
    named = ", ".join(map(str, classes)) if isinstance(classes, list) else ""
    return named or str(words.get("model_type") or "")


def senses(words: Mapping[str, Any]) -> str:
    """Return what a model reads beside text: "pictures", "pictures and sound"; "" for text alone."""
    return " and ".join(dict.fromkeys(sense for part, sense in SENSES.items() if words.get(part)))


def check_kind(name: str | Path, words: Mapping[str, Any]) -> None:
    """Raise UnsupportedModel for an encoder-decoder, a masked model and one that reads more than text.

    Loading a model says the same, and of more models: it knows all that transformers does (`suture.model.load.kinds`).

    Args:
        name: of the model.
        words: what config.json says; nothing is said of a model without one.
    """
    named = architecture(words)
    if words.get("is_encoder_decoder"):
        raise fault("encoder-decoder", name=name, architecture=named)
    if named.endswith(MASKED) and not words.get("is_decoder"):
        raise fault("masked", name=name, architecture=named)
    inner, reads = words.get("text_config"), senses(words)
    if reads and not named.endswith(DECODER) and (isinstance(inner, Mapping) or named.endswith(WHOLE)):
        saved = ", or save the language model in it by itself: docs/models.md says how" if inner else ""
        raise fault("pictures", name=name, architecture=named, reads=reads, or_text=saved)
