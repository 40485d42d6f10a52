"""From a memory into the weights: facts that are served beside the weights now are written into them, checked, and let go.

    made = consolidate(lm, memory, lambda facts: rome(lm, facts, layer=1))
    made.patch                       what is in the weights now;  made.memory  what must still be served beside them

What counts as written is decided by free generation, without the memory: the fact in its own words, and a share of its
paraphrases. What is not stays in the memory, and the patch is made again without it. `memory` is a `Memory`, or a patch of
`grace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from ..data.examples import Fact
from ..errors import NoEffect, UsageError
from ..metrics import completion
from ..model.lm import LM
from ..patch.patch import Patch
from .entries import books, weights_alone, without_prompts
from .store import Memory

ROUNDS = 3  # times that a patch is made again without what did not take
LEAST = 0.5  # share of a fact's paraphrases that must be right
Shelf = Memory | Patch
Maker = Callable[[list[Fact]], Patch]


@dataclass(frozen=True, eq=False)
class Consolidated:
    """What became of a memory.

    Attributes:
        patch: what is in the weights: the patch given, and that of the facts that took; None when there is none.
        memory: what is still served beside them; None when a codebook has nothing left to serve.
        moved: facts that are in the weights now.
        kept: facts that are not.
        served: whether each of all facts is right with patch and memory together: moved, then kept.
    """

    patch: Patch | None
    memory: Shelf | None
    moved: tuple[Fact, ...]
    kept: tuple[Fact, ...]
    served: tuple[bool, ...]


def consolidate(
    lm: LM, memory: Shelf, make: Maker, *, patch: Patch | None = None, least: float = LEAST
) -> Consolidated:
    """Write the facts of a memory into the weights, check each, and keep in the memory what did not take.

    Args:
        lm: the base model; not changed.
        memory: where the facts are now.
        make: any method, its settings filled in: facts -> patch. It is called while what `patch` changes in weights is there.
        patch: what was written before.
        least: share of a fact's paraphrases that must be right beside the fact itself, where it has some.

    Raises:
        UsageError: when the memory is empty.
    """
    facts = known(memory)
    if not facts:
        raise UsageError("the memory is empty", fix="Put facts into it first.")
    total, candidates = patch, facts
    for _ in range(ROUNDS):
        try:
            total = _write(lm, patch, make, candidates)
        except NoEffect:
            total, candidates = patch, []
            break
        right = written(lm, total, candidates, least)
        if all(right):
            break
        candidates = [fact for fact, good in zip(candidates, right, strict=True) if good]
        if not candidates:
            total = patch
            break
    remaining = [fact for fact in facts if fact not in candidates]
    rest = _part_of(lm, memory, remaining)
    together = [*candidates, *remaining]
    with serving(lm, total, rest):
        served = _completes(lm, [(fact.prompt, fact.target) for fact in together])
    return Consolidated(total, rest, tuple(candidates), tuple(remaining), tuple(served))


def known(memory: Shelf) -> list[Fact]:
    """Return the facts of a memory, or of a patch of `grace`."""
    if isinstance(memory, Memory):
        return list(memory.facts)
    entries = [entry for place_books in books(memory).values() for book in place_books for entry in book.entries]
    return list(dict.fromkeys(Fact(entry.prompt, entry.subject, entry.target) for entry in entries))


def written(lm: LM, patch: Patch | None, facts: Sequence[Fact], least: float = LEAST) -> list[bool]:
    """Return which facts a patch says by itself, in free generation: in their own words, and in enough others."""
    with patch.used(lm) if patch else nullcontext():
        right = _completes(lm, [(fact.prompt, fact.target) for fact in facts])
        pairs = [(prompt, fact.target) for fact in facts for prompt in fact.paraphrases]
        others = iter(_completes(lm, pairs))
    shares = [[next(others) for _ in fact.paraphrases] for fact in facts]
    return [good and (not share or sum(share) >= least * len(share)) for good, share in zip(right, shares, strict=True)]


@contextmanager
def serving(lm: LM, patch: Patch | None, memory: Shelf | None) -> Iterator[None]:
    """Have both in effect: what is in the weights, and what is served beside them."""
    with ExitStack() as stack:
        if patch is not None:
            stack.enter_context(patch.used(lm))
        if memory is not None:
            stack.enter_context(memory.attached(lm, force=True))
        yield


def rebased(lm: LM, patch: Patch) -> Patch:
    """Return a patch that was made on a patched model as one of the base model, to be added to what was there before."""
    provenance = patch.provenance
    terms = {name: list(deltas) for name, deltas in patch.terms.items()}
    return Patch.make(lm, terms, method=provenance.method, settings=provenance.settings, examples=provenance.examples)


def _write(lm: LM, patch: Patch | None, make: Maker, facts: list[Fact]) -> Patch:
    before = weights_alone(patch)
    with before.applied(lm) if before else nullcontext():
        addition = make(facts)
    return patch + (rebased(lm, addition) if before else addition) if patch else addition


def _completes(lm: LM, pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Return which prompts the model completes with their answer, freely."""
    if not pairs:
        return []
    cases = completion.Cases([prompt for prompt, _ in pairs], [answer for _, answer in pairs])
    return [bool(value) for value in completion.observe(lm, cases).values]


def _part_of(lm: LM, memory: Shelf, facts: Sequence[Fact]) -> Shelf | None:
    """Return a memory of some of its facts."""
    if isinstance(memory, Memory):
        return memory.without([i for i, fact in enumerate(memory.facts) if fact not in facts])
    prompts = {fact.prompt for fact in facts}
    return without_prompts(lm, memory, {fact.prompt for fact in known(memory)} - prompts)
