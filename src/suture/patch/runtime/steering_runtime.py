"""Steering while a model runs: which tokens of a pass are the prompt's, which rows a condition holds for, and the edits.

A pass with an empty cache begins anew; its real tokens are the prompt (unless `Strength.prompt` says where it ends).
Conditions are decided in that pass, from the mean state of the prompt's tokens, and stay for the passes that continue it.
Tokens are counted from the first real one of their row, so padding on either side changes nothing. Rows keep their place
in a batch; a beam search moves beams only among the rows of one prompt, which share strength, prompt and decision.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ...io.tensorfile import view
from ...numerics.outliers import lengths, outlier_limit
from ..activation import ActivationDelta
from ..codebook import Codebook, joined
from ..host import Stage
from .hooks import hook
from .steer import Steer
from .strength import PromptState, Strength


class ForwardContext:
    """Where the running forward pass stands.

    Attributes:
        fresh: whether it begins a text (nothing is cached yet).
        prompt: (batch, tokens) bool, the real tokens of the prompt.
        generated: (batch, tokens) bool, those behind it.
        answer: (batch, tokens) bool, the prompt's last token and those generated: what the answer is said from.

    What the first pass finds out for each row is in `dose.read`.
    """

    def __init__(self, dose: Strength) -> None:
        self.dose = dose
        self.fresh = True
        self.prompt = self.generated = self.answer = torch.zeros(0, 0, dtype=torch.bool)

    def begin(self, arguments: Mapping[str, Any]) -> None:
        """Read the arguments of the decoder's forward call."""
        inputs = arguments.get("input_ids")
        inputs = arguments["inputs_embeds"] if inputs is None else inputs
        rows, tokens = inputs.shape[:2]
        cache = arguments.get("past_key_values")
        before = int(cache.get_seq_length()) if cache is not None else 0
        mask = arguments.get("attention_mask")
        if not isinstance(mask, Tensor) or mask.dim() != 2:  # none, or one made for attention: no padding is known of
            mask = torch.ones(rows, before + tokens, device=inputs.device)
        real = mask[:, : before + tokens].bool()
        places = (real.cumsum(1) - 1)[:, before:]
        self.fresh = not before
        if self.fresh:
            self.dose.read = PromptState(self.dose.prompts(real.sum(1)))
        elif len(self.dose.read.lengths) != rows:
            raise UsageError("a patch can not be attached in the middle of a text", fix="Start with an empty cache.")
        self.prompt = real[:, before:] & (places < self.dose.read.lengths[:, None])
        self.generated = real[:, before:] & ~self.prompt
        self.answer = self.generated | (real[:, before:] & (places == self.dose.read.lengths[:, None] - 1))

    def decide(self, term: Steer, key: str, states: Tensor) -> None:
        """Decide a term's condition, known as `key`, from the states its block puts out: (batch, tokens, d)."""
        if self.fresh:
            opened = term.opens(prompt_mean(states, self.prompt.to(states.device)))
            self.dose.read = PromptState(self.dose.read.lengths, {**self.dose.read.open, key: opened})

    def where(self, term: ActivationDelta, key: str, device: torch.device) -> Tensor | None:
        """Return the tokens that a term acts on, (batch, tokens) or (batch, 1) bool, or None for all."""
        chosen = None if term.positions == "all" else getattr(self, term.positions).to(device)
        if not _conditional(term):
            return chosen
        opened = self.dose.read.open[key].to(device)[:, None]
        return opened if chosen is None else chosen & opened


def prompt_mean(states: Tensor, prompt: Tensor) -> Tensor:
    """Return the mean state of each prompt, (batch, tokens, d), (batch, tokens) bool -> (batch, d).

    The first token is left out where there are others: its state is of massive length in most models, and says nothing. So are
    others of massive length, told from the rest of their prompt: what passes here is all that is known.
    """
    first = prompt & (prompt.cumsum(1) == 1) & (prompt.sum(1, keepdim=True) > 1)
    rest = prompt & ~first
    sizes = lengths(states)
    weights = (rest & ~(sizes > outlier_limit(sizes, rest)[:, None])).float()
    return torch.einsum("bt,btd->bd", weights, states.float()) / weights.sum(1, keepdim=True).clamp(min=1)


@contextmanager
def steered(lm: Stage, terms: Mapping[str, Sequence[ActivationDelta]], dose: Strength) -> Iterator[None]:
    """Edit activations while the model runs, until the block is left.

    Args:
        lm: the model.
        terms: edits by the tensor they are filed under. Those of one place are computed from the same states and summed,
            so that their order means nothing.
        dose: their strength.
    """
    current = ForwardContext(dose)
    names = inspect.signature(lm.backbone.forward)

    def begin(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        current.begin(names.bind_partial(*args, **kwargs).arguments)

    with ExitStack() as hooks:
        hooks.callback(lm.backbone.register_forward_pre_hook(begin, with_kwargs=True).remove)
        for key, term in {_key(t): t for edits in terms.values() for t in edits if _conditional(t)}.items():
            hooks.callback(hook(*lm.passage(term.reads, "residual"), _reader(term, key, current)))
        for name, edits in terms.items():
            for place in ("residual", "heads"):
                if here := [term for term in edits if term.place == place]:
                    hooks.callback(hook(*lm.passage(name, place), _editor(here, current)))
        yield


def _reader(term: Steer, key: str, current: ForwardContext) -> Callable[[Tensor], None]:
    return lambda states: current.decide(term, key, states)


def _editor(terms: Sequence[ActivationDelta], current: ForwardContext) -> Callable[[Tensor], Tensor | None]:
    books = [term for term in terms if isinstance(term, Codebook)]
    terms = [*(term for term in terms if not isinstance(term, Codebook)), *joined(books)]
    keyed = [(term, _key(term) if _conditional(term) else "") for term in terms]

    def edit(states: Tensor) -> Tensor | None:
        if current.dose.off:
            return None
        wide = states.to(torch.promote_types(states.dtype, torch.float32))
        amount = current.dose.amount(wide)
        total = torch.zeros_like(wide)
        for term, key in keyed:
            moved = term.moved(wide, amount * term.scale)
            where = current.where(term, key, states.device)
            total = total + (moved if where is None else moved * where[..., None])
        # What is not acted on keeps its bits: h + 0 would lose the sign of -0.
        return torch.where(total == 0, states, (wide + total).to(states.dtype))

    return edit


def _conditional(term: ActivationDelta) -> TypeGuard[Steer]:
    return isinstance(term, Steer) and term.condition is not None


def _key(term: Steer) -> str:
    """Name a condition: terms that share it decide once."""
    assert term.condition is not None
    settings = repr((term.reads, term.threshold, term.likeness)).encode()
    return hashlib.sha256(bytes(view(term.condition)) + settings).hexdigest()
