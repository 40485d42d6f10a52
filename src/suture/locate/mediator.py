"""Find the one direction through which a behaviour is decided: by what happens when it is taken out, and when it is added.

Source: Arditi et al. 2024, "Refusal in Language Models Is Mediated by a Single Direction", section 2.3 and appendix C.
    r_il    = mean(h+) - mean(h-) at token i before the answer, behind block l        h: (d_model,), + is label 1
    score   = log p(S) - log(1 - p(S))              p(S): probability that the answer begins as those of label 1 do
    bypass  = mean score of prompts of label 1 with r_il taken out of everything that is written
    induce  = mean score of prompts of label 0 with r_il added behind block l, at every token
    KL      = mean divergence of the first token on prompts of label 0 with r_il taken out
Chosen is the smallest bypass among blocks before the last fifth with KL <= 0.1 and induce > 0, all on held-out prompts.
Differs from the paper: S is learnt from how the labelled answers begin instead of being listed by hand; states behind blocks, not
before them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ..data.examples import Behaviour
from ..errors import DataError, NoEffect
from ..model.arch.anatomy import Site
from ..model.lm import LM, bucketed
from ..model.run.features import extract
from ..model.run.pooling import token_ids
from ..model.run.tracing import Edit, trace
from ..numerics.divergence import kl_divergence
from ..registry import locator
from ..text.phase import Progress
from .direction import Direction
from .probe import score_of

DEEP = 0.8  # of the depth: later blocks hold the next token, not what decides it
KL = 0.1  # nats, most that the first token may move on prompts of label 0
HELD_OUT = 0.2  # share of each class that is scored
MOST = 32  # held-out prompts of a class that are scored
POSITIONS = 8  # tokens of the template before an answer that are looked at, at most
EPSILON = 1e-6


@dataclass(frozen=True)
class Candidate:
    """One direction and what it does; see the module's docstring.

    Attributes:
        back: tokens before the answer.
        layer: the block.
        bypass: score without it, where there was the behaviour.
        induce: score with it, where there was none.
        kl: what taking it out does where there was none.
    """

    back: int
    layer: int
    bypass: float
    induce: float
    kl: float


@locator
def mediator(
    lm: LM,
    behaviour: Behaviour,
    *,
    positions: int | None = None,
    layers: list[int] | None = None,
    kl: float = KL,
    seed: int = 0,
    progress: Progress | None = None,
) -> Direction:
    """Find the direction whose removal ends a behaviour and whose addition makes it.

    Args:
        lm: the model.
        behaviour: labelled answers to requests.
        positions: tokens before the answer to look at; by default those of the chat template behind the request.
        layers: only these blocks.
        kl: most that the first token may move where there was no such behaviour, nats.
        seed: of the held-out prompts.
        progress: called with ("directions", directions tried, of).

    Returns:
        The direction of one block; `about` has its position, its figures and those of all others.

    Raises:
        DataError: when the texts have no prompts, or the answers of both labels begin alike.
        NoEffect: when no direction passes.
    """
    if any(example.prompt is None for example in behaviour.examples):
        raise DataError(f"{behaviour.name}: some texts have no prompt", fix="Use labelled answers to requests.")
    train, held_out = behaviour.split(HELD_OUT, seed)
    chosen = [layer for layer in layers or range(lm.anatomy.layers) if layer < DEEP * lm.anatomy.layers]
    backs = range(positions or _template(lm, train))
    opening = _openings(lm, train)  # (tokens,)
    prompts = [[lm.encode_chat(p)[0] for p in _prompts(held_out, label)[:MOST]] for label in (0, 1)]
    base = _first(lm, prompts[0])
    sites = [Site(layer, "residual") for layer in chosen]
    labels = torch.tensor(train.labels)
    vectors: dict[tuple[int, int], Tensor] = {}
    candidates: list[Candidate] = []
    for back in backs:
        states = extract(lm, train.examples, sites, pool="decision", back=back).double()  # (texts, layers, d)
        means = states[labels == 1].mean(0) - states[labels == 0].mean(0)
        for layer, vector in zip(chosen, means.float(), strict=True):
            vectors[back, layer] = vector
            candidates.append(_candidate(lm, back, layer, vector, prompts, base, opening))
            if progress:
                progress("directions", len(candidates), len(backs) * len(chosen))
    best = _best(candidates, kl)
    return _direction(lm, behaviour, train, held_out, vectors[best.back, best.layer], best, candidates, seed)


def _candidate(
    lm: LM, back: int, layer: int, vector: Tensor, prompts: Sequence[Sequence[list[int]]], base: Tensor, opening: Tensor
) -> Candidate:
    """Return what taking a direction out, and adding it, do."""
    with trace(lm, edit=_without(lm, vector)):
        bypass = _score(_first(lm, prompts[1]), opening)
        moved = _first(lm, prompts[0])
    with trace(lm, edit={Site(layer, "residual"): lambda states: states + vector.to(states)}):
        induce = _score(_first(lm, prompts[0]), opening)
    divergence = kl_divergence(base, moved).mean()
    return Candidate(back, layer, bypass, induce, float(divergence))


def _best(candidates: Sequence[Candidate], kl: float) -> Candidate:
    passing = [c for c in candidates if c.kl <= kl and c.induce > 0]
    if not passing:
        near = min(candidates, key=lambda c: (max(0.0, c.kl - kl) + max(0.0, -c.induce), c.bypass))
        raise NoEffect(
            "no single direction makes and ends this behaviour",
            why=f"The nearest, block {near.layer}: added it scores {near.induce:+.2f}, removed it moves others by {near.kl:.3f}.",
            fix="Allow more with `kl`, or read a direction for steering: suture locate directions",
        )
    return min(passing, key=lambda c: c.bypass)


def _direction(
    lm: LM,
    behaviour: Behaviour,
    train: Behaviour,
    held_out: Behaviour,
    vector: Tensor,
    best: Candidate,
    candidates: Sequence[Candidate],
    seed: int,
) -> Direction:
    """Return the chosen vector with the sizes, levels and separation that a direction has."""
    every = Behaviour(behaviour.name, (*train.examples, *held_out.examples))
    states = extract(lm, every.examples, [Site(best.layer, "residual")], pool="decision", back=best.back)[:, 0].double()
    along = states @ torch.nn.functional.normalize(vector.double(), dim=0)
    labels, count = torch.tensor(every.labels), len(train.examples)
    levels = torch.stack([along[:count][labels[:count] == label].mean() for label in (0, 1)])
    score = score_of(along - levels.mean(), labels, count)
    about = {
        "kind": "mediator", "pool": "decision", "back": best.back, "seed": seed, "examples": behaviour.summary(),
        "chosen": asdict(best), "candidates": [asdict(candidate) for candidate in candidates],
    }  # fmt: skip
    return Direction(
        behaviour.name, "residual", [best.layer], vector[None].contiguous(), states.norm(dim=1).mean()[None].float(),
        levels[None].float(), [score], about,
    )  # fmt: skip


def _without(lm: LM, vector: Tensor) -> Mapping[Site, Edit]:
    """Return the edits that take a direction out of the stream and of all that is added to it."""
    unit = torch.nn.functional.normalize(vector, dim=0)

    def project(states: Tensor) -> Tensor:
        along = unit.to(states)
        return states - (states @ along)[..., None] * along

    places = ("residual.in", "attn.out", "mlp.out", "residual")
    return {Site(layer, place): project for layer in range(lm.anatomy.layers) for place in places}


def _template(lm: LM, behaviour: Behaviour) -> int:
    """Return how many tokens all prompts end with: those of the template behind the request."""
    rows = [lm.encode_chat(prompt)[0] for prompt in _prompts(behaviour, 0) + _prompts(behaviour, 1)]
    shared = 0
    while shared < min(POSITIONS, *map(len, rows)) and len({row[-1 - shared] for row in rows}) == 1:
        shared += 1
    return max(1, shared)


def _openings(lm: LM, behaviour: Behaviour) -> Tensor:
    """Return the ids that answers of label 1 begin with more often than those of label 0."""
    counts: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for example in behaviour.examples:
        ids, begin = token_ids(lm, example)
        if begin < len(ids):
            counts[example.label][ids[begin]] += 1
    shares = [{i: n / counts[label].total() for i, n in counts[label].items()} for label in (0, 1)]
    openings = sorted(i for i, share in shares[1].items() if share > shares[0].get(i, 0.0))
    if not openings or sum(shares[0].get(i, 0.0) for i in openings) > 0.5 * sum(shares[1][i] for i in openings):
        raise DataError(
            f"{behaviour.name}: the answers of both labels begin alike",
            why="Whether the behaviour is shown could not be told by the first token.",
            fix="Read a direction without this test: suture locate directions",
        )
    return torch.tensor(openings)


def _prompts(behaviour: Behaviour, label: int) -> list[str]:
    return [example.prompt or "" for example in behaviour.examples if example.label == label]


@torch.no_grad()
def _first(lm: LM, rows: Sequence[list[int]]) -> Tensor:
    """Return log-probabilities of an answer's first token: (prompts, vocabulary) float64."""
    parts: dict[int, Tensor] = {}
    for group in bucketed([len(row) for row in rows]):
        batch = lm.batch([rows[i] for i in group])
        logits = lm.forward(batch).logits
        last = logits[torch.arange(len(group)), batch.last].double().cpu().log_softmax(-1)
        parts.update(zip(group, last, strict=True))
    return torch.stack([parts[i] for i in range(len(rows))])


def _score(logs: Tensor, opening: Tensor) -> float:
    """Return the mean log-odds that an answer begins in one of these ways: (prompts, vocabulary), (tokens,)."""
    odds = logs[:, opening].exp().sum(-1).clamp(EPSILON, 1 - EPSILON)
    return float((odds.log() - (1 - odds).log()).mean())
