"""The levels at which a behaviour can be changed, compared on one suite: prompt, activation, weight, retrieval.

A level says how a model is used: `prompt` tells it what is wanted before each prompt, `activation` and `weight` are patches
attached or applied, `retrieval` puts before each prompt what is nearest to it: facts of a memory, or examples. Each is measured
as any edit is; effect and damage are put side by side. Perplexity and drift are of bare texts, before which nothing stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from ..data.conversation import before, instructed, messages_of
from ..data.examples import Behaviour
from ..errors import UsageError
from ..measure.budget import Budget
from ..measure.evaluation import Baseline, observe, scores
from ..measure.suite import Suite, measure_named
from ..memory.store import Memory
from ..metrics._score import Progress
from ..model.lm import LM
from ..model.run.reading import Text
from ..patch.patch import Patch
from ..report.comparison import Comparison, Entry
from ..text.phase import counted
from .exemplars import SHOTS, Exemplars, Shown

Kind = Literal["prompt", "activation", "weight", "retrieval"]


@dataclass(frozen=True)
class Intervention:
    """One way to change what a model does.

    Attributes:
        name: what the comparison calls it.
        kind: at which level.
        used: has it in effect inside its block and yields the model to ask, which may be another view of the same.
    """

    name: str
    kind: Kind
    used: Callable[[LM], AbstractContextManager[LM]]


def prompting(text: str, name: str = "prompt") -> Intervention:
    """Return the level of an instruction that stands before every prompt."""

    @contextmanager
    def used(lm: LM) -> Iterator[LM]:
        yield Instructed(lm, text)

    return Intervention(name, "prompt", used)


def patching(name: str, patch: Patch) -> Intervention:
    """Return the level of a patch: of activations when it steers, else of weights."""

    @contextmanager
    def used(lm: LM) -> Iterator[LM]:
        with patch.used(lm):
            yield lm

    return Intervention(name, "activation" if patch.steers else "weight", used)


def remembering(memory: Memory, name: str = "memory") -> Intervention:
    """Return the level of a memory: the facts that a prompt asks for are put before it."""

    @contextmanager
    def used(lm: LM) -> Iterator[LM]:
        with memory.attached(lm):
            yield lm

    return Intervention(name, "retrieval", used)


def showing(
    behaviour: Behaviour,
    name: str = "examples",
    *,
    toward: Literal["wanted", "unwanted"] = "wanted",
    shots: int = SHOTS,
) -> Intervention:
    """Return the level of examples: the nearest of one class are put before each prompt."""

    @contextmanager
    def used(lm: LM) -> Iterator[LM]:
        yield Shown(lm, Exemplars.of(lm, behaviour, label=int(toward == "unwanted"), shots=shots))

    return Intervention(name, "retrieval", used)


class Instructed(LM):
    """The same model, with an instruction before each prompt: the system's turn of a chat, or the first line of a text.

    Args:
        lm: the model; shared, not copied.
        text: the instruction.
    """

    def __init__(self, lm: LM, text: str) -> None:
        vars(self).update(vars(lm))
        self.text = text

    def prompt_texts(self, prompts: Sequence[str], *, chat: bool = False, thinking: bool = False) -> list[Text]:
        """See `LM.prompt_texts`."""
        if not chat:
            return [Text(f"{self.text}\n{prompt}") for prompt in prompts]
        return [self._instructed_text(prompt, thinking) for prompt in prompts]

    def _instructed_text(self, request: str, thinking: bool) -> Text:
        try:
            return self.message_text(messages_of(instructed(request, self.text)), thinking=thinking)
        except UsageError:  # a template without a system's turn: the user says it
            return self.message_text(messages_of(before(request, f"{self.text}\n")), thinking=thinking)


def compare(
    lm: LM,
    levels: Sequence[Intervention],
    suite: Suite,
    target: str,
    *,
    better: Literal["higher", "lower"] | None = None,
    budget: Budget | None = None,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Measure every level on the same suite.

    Args:
        lm: the base model.
        levels: what to compare.
        suite: the target and what to keep; its other measures are left out.
        target: name of the measure that the levels are to move.
        better: which way; by default the measure's own.
        budget: what it may cost.
        baseline: observations of the base, if already made.
        progress: called as measures advance.

    Raises:
        UsageError: when the suite has no such measure, or two levels one name.
    """
    names = [level.name for level in levels]
    if len(set(names)) < len(names) or not names:
        raise UsageError(
            "levels need names of their own", why=f"Given: {', '.join(names) or 'none'}.", fix="Rename one."
        )
    target_measure = measure_named(suite, target)
    aim = replace(target_measure, role="target", better=better or target_measure.better)
    keep = [measure for measure in suite if measure.role == "keep" and measure.name != target]
    measures = [aim, *keep]
    budget = budget or Budget()
    steps = counted(progress, [*([] if baseline else ["base"]), *names], "pass")
    before = baseline or observe(lm, measures, steps.pop(0))
    entries = []
    for level, step in zip(levels, steps, strict=True):
        with level.used(lm) as model:
            after = observe(model, measures, step)
        figures = scores(before, after, measures)
        base, now = ({name: getattr(s, when) for name, s in figures.items()} for when in ("before", "after"))
        sign = 1 if aim.better == "higher" else -1
        cost = budget.worst(keep, base, now)
        worst = max(keep, key=lambda m: budget.used(base[m.name], now[m.name], m.better, m.unit), default=None)
        gain = sign * figures[target].change
        entries.append(Entry(level.name, level.kind, figures, gain, cost, worst.name if worst and cost > 0 else ""))
    units = {measure.name: measure.unit for measure in measures}
    return Comparison(lm.name, target, aim.about, aim.better, entries, units, budget)
