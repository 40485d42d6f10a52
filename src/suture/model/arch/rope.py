"""Positions of each row by its own length, for models whose rotary frequencies depend on how long a text is.

    longrope (Phi-3, Phi-3.5-MoE)   f = f_short where T <= T_original, f_long beyond
    dynamic (NTK)                   f = f(T) beyond T_original
T is meant to be the length of a text. transformers takes it from the longest row of a pass, and the dynamic one from the longest
pass before, so that a text would be read differently beside a long one. Here every row has the frequencies that it has alone.

Source: `modeling_rope_utils.dynamic_rope_update` of transformers; Ding et al. 2024, "LongRoPE".
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def keep_rows_apart(model: nn.Module) -> None:
    """Give each row of every later pass the rotary frequencies of its own length; other models are left as they are."""
    for module in model.modules():
        if any(_kind(module, layer_type) for layer_type in _layer_types(module)):
            module.register_forward_hook(_apart, with_kwargs=True)


def _layer_types(module: nn.Module) -> list[str | None]:
    kinds = getattr(module, "rope_type", None)
    return list(kinds) if isinstance(kinds, dict) else [None]


def _kind(module: nn.Module, layer_type: str | None) -> str:
    """Return "longrope" or "dynamic" where the frequencies of a rotary module depend on the length, else an empty string."""
    kinds = getattr(module, "rope_type", None)
    kind = kinds.get(layer_type) if isinstance(kinds, dict) else kinds
    if not isinstance(kind, str):
        return ""
    return "dynamic" if "dynamic" in kind else "longrope" if kind == "longrope" else ""


def _apart(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:  # noqa: ANN401
    """Return cosines and sines, each (rows, tokens, d), of rows by their own lengths."""
    given = {**dict(zip(("x", "position_ids", "layer_type"), args, strict=False)), **kwargs}
    positions, layer_type = given["position_ids"], given.get("layer_type")
    kind = _kind(module, layer_type)
    if not kind:
        return None
    lengths = positions.amax(-1) + 1
    if kind == "longrope":
        groups = (lengths > _original(module, layer_type)).long()
    else:
        groups = lengths.clamp(min=module.original_max_seq_len)
    values = groups.unique()
    if kind == "longrope" and len(values) == 1:
        return None
    whole: list[Tensor] = []
    for value in values:
        rows = (groups == value).nonzero()[:, 0]
        if kind == "dynamic":
            _forget(module, layer_type)
        parts = module.forward(**{**given, "position_ids": positions[rows]})
        whole = whole or [part.new_empty(len(positions), *part.shape[1:]) for part in parts]
        for into, part in zip(whole, parts, strict=True):
            into[rows] = part
    return tuple(whole)


def _original(module: nn.Module, layer_type: str | None) -> int:
    """Return the tokens of the texts that a model was first trained on: where longrope changes its frequencies."""
    config: Any = module.config
    settings = config.rope_parameters
    return int((settings if layer_type is None else settings[layer_type])["original_max_position_embeddings"])


def _forget(module: Any, layer_type: str | None) -> None:  # noqa: ANN401 - a rotary module of transformers
    """Take a dynamic rotary module back to where no text was read yet."""
    prefix = "" if layer_type is None else f"{layer_type}_"
    first = getattr(module, f"{prefix}original_inv_freq")
    current = getattr(module, f"{prefix}inv_freq")
    module.register_buffer(f"{prefix}inv_freq", first.to(current.device), persistent=False)
    setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)
