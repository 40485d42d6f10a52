"""What a goal is measured by on a model of the world outside: the target, neutral texts, requests that keep being answered.

Texts are sampled as the model's own `generation_config` says; the report has greedy texts beside them. Settings are chosen on
prompts that show the behaviour, which a larger pool is screened for; a report's prompts are never screened.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

from ..data import bundled
from ..data.bundled._parts import Split
from ..data.examples import Behaviour
from ..errors import UsageError
from ..judges import Judge, judge_named, others, unwanted, wanted
from ..measure.evaluation import Baseline
from ..measure.suite import Measure, Role, Suite
from ..metrics import preference
from ..metrics.sampled import Cases
from ..model.lm import LM
from ..model.run.context import context
from ..model.run.contrasts import Pair, contrast_texts
from ..search.noise import QUANTILE
from .schema import Preset, Requests

KEPT = (  # requests whose answers no goal may change
    Requests("benign", "benign", "higher", "harmless requests answered"),
    Requests("borderline", "borderline", "higher", "harmless requests with dangerous words answered"),
    Requests("harmful", "harmful", "lower", "plain harmful requests answered"),
)
TEMPERATURE, TOP_P = 0.7, 0.9  # where a model says nothing of how it wants to be sampled
SHORT, LONG = 40, 100  # tokens of a text; of an answer in a report, which may refuse late
REASONED, FEWER = 400, 4  # tokens of a reasoning with its answer, which is so long that one prompt in so many must do
PAIRS = 16  # contrasts whose margin ranks many candidates
MARGIN = "margin"
ELSEWHERE, TWICE = "_elsewhere", 2  # ending of the name of a target on other prompts, and the texts of each of those


@dataclass(frozen=True)
class Manner:
    """How a model is sampled."""

    temperature: float
    top_p: float

    @classmethod
    def of(cls, lm: LM) -> Manner:
        """Return what the model's generation config asks for, or TEMPERATURE and TOP_P where it asks for nothing."""
        config = lm.model.generation_config
        if getattr(config, "do_sample", False):
            return cls(getattr(config, "temperature", None) or 1.0, getattr(config, "top_p", None) or 1.0)
        return cls(TEMPERATURE, TOP_P)


@dataclass(frozen=True, eq=False)
class Measures:
    """Makes the measures of a goal.

    Attributes:
        preset: the goal.
        lm: the model.
        texts: the source of the goal's requests.
        judge: decides in place of the preset's.
        panel: further judges by name, which only label what a report is made of.
    """

    preset: Preset
    lm: LM
    texts: Any
    judge: Judge | None = None
    panel: Mapping[str, Judge] = field(default_factory=dict)

    @property
    def chat(self) -> bool:
        """Whether requests can be asked."""
        return self.lm.tokenizer.chat_template is not None

    def target(self, prompts: Sequence[str], tokens: int = SHORT, *, seed: int = 0) -> Measure:
        """Return how often sampled continuations of prompts show the behaviour."""
        target, manner = self.preset.target, Manner.of(self.lm)
        decides, label = self.judge or judge_named(target.judge), target.label
        if self.judge is not None:
            label = self._label(self.judge)
        cases = Cases(
            list(prompts), decides, label, chat=self.chat and target.requests, strict=target.better == "lower",
            samples=1, max_new_tokens=tokens, temperature=manner.temperature, top_p=manner.top_p, seed=seed,
        )  # fmt: skip
        # refusals are alike by nature; of other texts none may please because all are
        metric = "sampled" if target.requests else "original"
        return Measure(target.name, metric, cases, "target", target.better, target.about)

    def _label(self, judge: Judge) -> str:
        """Return what of a judge's labels the goal is about."""
        return self.preset.target.name if self.preset.target.name in judge.labels else unwanted(judge)

    def neutral(self, texts: Sequence[str]) -> Suite:
        """Return what is read of neutral texts."""
        return [
            Measure("drift", "drift", list(texts), "keep", "lower", "KL per token on neutral texts"),
            Measure("perplexity", "perplexity", list(texts), "keep", "lower", "perplexity on neutral texts"),
        ]

    def requests(self, split: Split, size: int, tokens: int = SHORT) -> Suite:
        """Return how often requests are answered, greedily; empty where the model has no chat."""
        if not self.chat:
            return []
        kept = [self._requests(requests, bundled, split, size, "keep", tokens) for requests in KEPT]
        return kept + [self._requests(r, self.texts, split, size, "note", tokens) for r in self.preset.notes]

    def reported(
        self, prompts: Sequence[str], neutral: Sequence[str], size: int, elsewhere: Sequence[str] = ()
    ) -> Suite:
        """Return the measures of a report: sampled and greedy, of requests with answers long enough to refuse late.

        Args:
            prompts: of the target.
            neutral: texts to leave alone.
            size: requests of each kind.
            elsewhere: prompts of another source than those that choose.
        """
        target = replace(self.target(prompts, LONG if self.preset.target.requests else SHORT), metric="sampled")
        greedy = replace(
            target, name=f"{target.name}_greedy", role="note", about=f"{target.about}, greedy",
            cases=replace(target.cases, temperature=0.0, top_p=1.0),
        )  # fmt: skip
        beside = (
            [*self._beside(target), *self._aloud(target)] if self.preset.target.requests else [self._echoes(target)]
        )
        written = [target, greedy, *self._elsewhere(target, elsewhere)]
        judged = [again for m in written for again in self._judged(m)]
        return [*written, *judged, *beside, *self.neutral(neutral), *self.requests("report", size, LONG)]

    def _elsewhere(self, target: Measure, prompts: Sequence[str]) -> Suite:
        """Return the target on prompts of another source: what is chosen on prompts of one kind may hold on these alone."""
        if not prompts:
            return []
        cases = replace(target.cases, prompts=list(prompts), samples=TWICE)
        about = f"{target.about}, openings of another source"
        return [replace(target, name=f"{target.name}{ELSEWHERE}", role="note", about=about, cases=cases)]

    def _judged(self, measure: Measure) -> Suite:
        """Return what the other judges say of the same texts."""
        return [
            replace(measure, name=f"{measure.name} by {name}", role="note", about=f"{measure.about}, by {name}",
                    cases=replace(measure.cases, judge=judge, label=self._label(judge)))
            for name, judge in self.panel.items()
        ]  # fmt: skip

    def _beside(self, target: Measure) -> Suite:
        """Return how often each other label is given: a model that writes rubble answers nothing, and is no safer for it."""
        judge = target.cases.judge
        return [
            replace(target, name=f"{target.name} {label}", cases=replace(target.cases, label=label, strict=False),
                    role="note", better="none", about=f"{label} instead")
            for label in (wanted(judge), *others(judge))
        ]  # fmt: skip

    def _echoes(self, target: Measure) -> Measure:
        """Return how often a text says what others say: all may please a judge that reads one at a time."""
        return Measure("echoes", "echoes", target.cases, "note", "lower", "texts that say what others say")

    def _aloud(self, target: Measure) -> Suite:
        """Return the target where the model thinks aloud first, if it can: an edit must hold in both modes."""
        if not self.lm.thinks:
            return []
        fewer = target.part(slice(max(1, len(target) // FEWER)))
        cases = replace(fewer.cases, thinking=True, max_new_tokens=REASONED)
        return [
            replace(fewer, name=f"{target.name}_thinking", role="note", about=f"{target.about}, thinking", cases=cases)
        ]

    def margin(self, behaviour: Behaviour, seed: int = 0) -> Suite:
        """Return by how much wanted continuations are likelier than unwanted ones of the labelled texts.

        Nothing where the model can read none of them whole.
        """
        mine = behaviour if self.preset.leave == "unwanted" else behaviour.reversed()
        limit, pairs = context(self.lm), contrast_texts(mine, random.Random(seed), PAIRS)
        chat = any(pair.chat for pair in pairs)
        chosen = [
            pair for pair in pairs if pair.chat == chat and (limit is None or max(map(len, self._rows(pair))) <= limit)
        ]
        cases = preference.Cases(
            [p.start for p in chosen], [p.wanted for p in chosen], [p.unwanted for p in chosen], chat
        )
        about = "wanted over unwanted continuations, nats a token"
        return [Measure(MARGIN, "margin", cases, "note", "higher", about)] if chosen else []

    def _rows(self, pair: Pair) -> list[list[int]]:
        return [
            self.lm.encode_answers([pair.start], [text], chat=pair.chat)[0][0] for text in (pair.wanted, pair.unwanted)
        ]

    def _requests(self, requests: Requests, texts: Any, split: Split, size: int, role: Role, tokens: int) -> Measure:  # noqa: ANN401 - a source
        prompts = getattr(texts, requests.prompts, None)
        if prompts is None:
            raise UsageError(
                f"the texts of {requests.name} are not there", fix=f"Let their source have {requests.prompts}(split)."
            )
        cases = Cases(
            list(prompts(split))[:size], judge_named("refusal"), "complied", chat=True,
            strict=requests.better == "lower", samples=1, max_new_tokens=tokens, temperature=0.0,
        )  # fmt: skip
        return Measure(requests.name, "sampled", cases, role, requests.better, requests.about)


@dataclass(frozen=True)
class Refusals:
    """How often a base refuses by itself.

    Attributes:
        harmful: requests refused, of those whose answers are no good, and how many were asked.
        harmless: the same of those whose answers are to stay.
    """

    harmful: tuple[int, int]
    harmless: tuple[int, int]

    @classmethod
    def of(cls, baseline: Baseline, suite: Suite) -> Refusals:
        """Count them in what the base was observed to write."""
        judged = [measure for measure in suite if "labels" in baseline[measure.name].extra]

        def count(better: str) -> tuple[int, int]:
            labels = [
                label
                for measure in judged
                if measure.better == better
                for texts in baseline[measure.name].extra["labels"]
                for label in texts
            ]
            return labels.count("refused"), len(labels)

        return cls(count("lower"), count("higher"))

    @property
    def told_apart(self) -> bool:
        """Whether more harmful than harmless requests are refused, by more than 19 of 20 such counts differ by chance."""
        (bad, many), (good, others) = self.harmful, self.harmless
        if not bad or not many:
            return False
        if not others:
            return True
        share = (bad + good) / (many + others)
        return bad / many - good / others > QUANTILE * sqrt(share * (1 - share) * (1 / many + 1 / others))
