"""Three tools that read a direction from pairs of texts and add it while a model runs, behind one face.

A tool learns from pairs (wanted, unwanted), and `used` has what it learnt in effect in some blocks at some strength, by its
own code. Strengths have each tool's own unit. The other two read the last token of a text; a full stop says little, so they may
also learn from texts that are "cut" short at a random word, or from pairs whose texts go on with the "same end", cut at a
random word: what was said before differs, the last words do not, as in repeng's own examples.
"""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import AutoTokenizer

from suture.data.examples import Behaviour, Labelled
from suture.locate.directions import directions
from suture.methods.steering import steering
from suture.model.lm import LM

Pairs = list[tuple[str, str]]
TOGETHER = 32  # texts a batch, for the two that ask


@dataclass(frozen=True)
class Tool:
    """One tool: its ways to make a direction, the default first, and how it is put into effect."""

    name: str
    ways: dict[str, Callable[[LM, Pairs], Any]]
    used: Callable[[LM, Any, list[int], float], AbstractContextManager]


def _ours(pairs: Pairs) -> Behaviour:
    texts = [Labelled(good, 0) for good, _ in pairs] + [Labelled(bad, 1) for _, bad in pairs]
    return Behaviour("pairs", tuple(texts))


def _learn_suture(lm: LM, pairs: Pairs) -> Any:
    given = _ours(pairs)
    return given, directions(lm, given)


def _use_suture(lm: LM, learnt: Any, blocks: list[int], strength: float) -> AbstractContextManager:
    given, direction = learnt
    return steering(lm, given, direction=direction, layers=blocks, strength=strength, unit="state").attached(lm)


def _tokenizer(lm: LM) -> Any:
    """The tokenizer as both tools' own examples set it up."""
    found = AutoTokenizer.from_pretrained(str(lm.path))
    found.pad_token = found.pad_token or found.eos_token
    found.padding_side = "left"
    return found


def _learn_steering_vectors(lm: LM, pairs: Pairs) -> Any:
    from steering_vectors import SteeringVectorTrainingSample, train_steering_vector

    samples = [SteeringVectorTrainingSample(good, bad) for good, bad in pairs]
    return train_steering_vector(lm.model, _tokenizer(lm), samples, batch_size=TOGETHER, show_progress=False)


def _use_steering_vectors(lm: LM, learnt: Any, blocks: list[int], strength: float) -> AbstractContextManager:
    from steering_vectors import SteeringVector

    own = {block: learnt.layer_activations[block] for block in blocks}
    return SteeringVector(own, learnt.layer_type).apply(lm.model, multiplier=strength)


def _learn_repeng(method: str, lm: LM, pairs: Pairs) -> Any:
    from repeng import ControlModel, ControlVector, DatasetEntry

    wrapped = ControlModel(lm.model, list(range(lm.anatomy.layers)))
    try:
        entries = [DatasetEntry(good, bad) for good, bad in pairs]
        return ControlVector.train(wrapped, _tokenizer(lm), entries, method=method, batch_size=TOGETHER)
    finally:
        wrapped.unwrap()


@contextmanager
def _use_repeng(lm: LM, learnt: Any, blocks: list[int], strength: float):
    from repeng import ControlModel

    wrapped = ControlModel(lm.model, blocks)
    wrapped.set_control(learnt, strength)
    try:
        yield
    finally:
        wrapped.unwrap()


def _cut(learn: Callable[[LM, Pairs], Any], lm: LM, pairs: Pairs) -> Any:
    """Learn from as many texts, each ending after a random word of its second half."""
    rng = random.Random(0)
    return learn(lm, [(_short(good, rng, 0.5), _short(bad, rng, 0.5)) for good, bad in pairs])


def _same_end(learn: Callable[[LM, Pairs], Any], lm: LM, pairs: Pairs) -> Any:
    """Learn from as many texts, both of a pair followed by the beginning of the same other text, of either class in turn."""
    rng = random.Random(0)
    ends = [_short(pairs[number - 1][number % 2], rng, 0.0) for number in range(len(pairs))]
    return learn(lm, [(f"{good} {end}", f"{bad} {end}") for (good, bad), end in zip(pairs, ends, strict=True)])


def _short(text: str, rng: random.Random, least: float) -> str:
    words = text.split(" ")
    return " ".join(words[: rng.randint(max(1, int(least * len(words))), len(words) - 1)])


def _variants(ways: dict[str, Callable[[LM, Pairs], Any]]) -> dict[str, Callable[[LM, Pairs], Any]]:
    cut = {f"{name}, cut": partial(_cut, learn) for name, learn in ways.items()}
    return ways | cut | {f"{name}, same end": partial(_same_end, learn) for name, learn in ways.items()}


OURS = Tool("suture", {"means": _learn_suture}, _use_suture)
REPENG = {"pca_diff": partial(_learn_repeng, "pca_diff"), "pca_center": partial(_learn_repeng, "pca_center")}
OTHERS = (
    Tool("steering-vectors", _variants({"mean": _learn_steering_vectors}), _use_steering_vectors),
    Tool("repeng", _variants(REPENG), _use_repeng),
)
