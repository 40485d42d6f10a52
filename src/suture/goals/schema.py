"""Goals: what the presets change, what tells whether it changed, and what they must not harm.

A goal is data: labelled texts, the measures that choose settings (split "tune") and those that report ("report", on prompts
no choice has seen). The bundled model has a world of its own; any other model is measured on `suture.data.bundled`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..data import bundled
from ..data.bundled._parts import Split
from ..data.examples import Behaviour, Texts
from ..errors import DataError
from ..judges import Judge, Refusal, Sentiment, Toxicity, unwanted
from ..measure.suite import Better, Measure, Role, Suite
from ..metrics.sampled import Cases
from ..model.lm import BUNDLED, LM
from ..model.run.features import Pool
from ..registry import source

Name = Literal["detox", "harden", "attitude"]
Toward = Literal["positive", "negative"]
PROMPTS = 0.4  # of the user's own texts: held out, half to choose settings and half to report
PATIENT_KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "harmful", "perplexity", "drift")
CHOOSING: tuple[Split, Split] = ("tune", "report")


@dataclass(frozen=True, eq=False)
class Goal:
    """What a preset is to reach on one model.

    Attributes:
        name: of the preset.
        behaviour: labelled texts to probe.
        toward: "wanted" suppresses label 1, "unwanted" raises it.
        pool: the tokens probed.
        keep: texts to leave alone.
        target: name of the measure to move.
        floor: name of the measure that says how far it could move at best, or the best share itself.
        tune: measures that choose settings.
        confirm: what to keep, on cases that confirm the choice.
        report: measures of the report.
        related: behaviours whose directions are compared with this one's.
        tasks: texts of general tasks by name, for the same.
    """

    name: str
    behaviour: Behaviour
    toward: Literal["wanted", "unwanted"]
    pool: Pool
    keep: Texts
    target: str
    floor: str | float
    tune: Suite
    confirm: Suite
    report: Suite
    related: dict[str, Behaviour]
    tasks: dict[str, list[str]]


def goal(
    name: Name,
    lm: LM,
    *,
    toward: Toward = "positive",
    data: Behaviour | None = None,
    prompts: Sequence[str] | None = None,
    judge: Judge | None = None,
    tune: int = 60,
    report: int = 200,
) -> Goal:
    """Return a goal for a model.

    Args:
        name: "detox" (fewer rude continuations), "harden" (fewer answers to jailbreaks) or "attitude".
        lm: the model; the bundled ones are measured in their own world.
        toward: which attitude.
        data: own labelled texts, instead of the bundled ones.
        prompts: own prompts to be continued; half of them choose settings, half are reported.
        judge: what tells whether a continuation is unwanted (for "attitude": whether it is what is wanted), instead of ours.
        tune: prompts a measure while settings are chosen.
        report: prompts a measure in the report.

    Raises:
        DataError: when own texts are too few to hold some out.
    """
    if lm.name in BUNDLED and data is None and prompts is None and judge is None:
        return _patient(name, toward, tune, report)
    behaviour = data or bundled.behaviour(name)
    asked = {split: bundled.prompts(name, split) for split in CHOOSING}
    if data is not None and prompts is None:
        behaviour, held = data.split(PROMPTS)
        prompts = [e.prompt or _opening(e.text) for e in held.examples if e.label]
    if prompts is not None:
        if len(prompts) < 4:
            raise DataError(
                f"{len(prompts)} prompts are too few", fix="Give at least 20, of which half choose settings."
            )
        asked = {"tune": list(prompts[::2]), "report": list(prompts[1::2])}
    sizes = dict(zip(CHOOSING, (tune, report), strict=True))
    chosen = {split: _general(name, lm, toward, asked[split], judge, split, sizes[split]) for split in CHOOSING}
    chosen["tune"] = _searched(chosen["tune"], name)
    more = _general(name, lm, toward, asked["tune"], judge, "tune", 3 * tune)
    return Goal(
        name, behaviour, "unwanted" if (name, toward) == ("attitude", "negative") else "wanted",
        "response", bundled.neutral("probe"), chosen["tune"][0].name,
        1.0 if name == "attitude" else 0.0, chosen["tune"], _fresh(more, chosen["tune"]), chosen["report"],
        {each: behaviour if each == name else bundled.behaviour(each) for each in bundled.BEHAVIOURS}, bundled.tasks("probe"),
    )  # fmt: skip


def _patient(name: Name, toward: Toward, tune: int, report: int) -> Goal:
    patient = source("patient").world()
    known: dict[Name, tuple[str, str, str | float]] = {
        "detox": ("rude", "tone", "rude_floor"),
        "harden": ("jailbreak", "jailbreak", "harmful"),
        "attitude": (toward, "attitude", 1.0),
    }
    target, behaviour, floor = known[name]

    def measures(split: Split, size: int) -> Suite:
        roles: dict[str | float, Role] = {target: "target", floor: "floor"}
        found = [
            replace(m, role=roles.get(m.name, "note" if m.role in ("target", "floor") else m.role))
            for m in patient.suite(split, size)
        ]
        found = [replace(m, role="keep") if m.name == "drift" else m for m in found]
        return [replace(m, better="higher") if m.name == target and name == "attitude" else m for m in found]

    drawn = [m for m in measures("tune", 4 * tune) if m.name in {target, floor, *PATIENT_KEEP}]
    drawn = [m.part(slice(2 * tune)) if m.kind.cost == "writes" else m for m in drawn]
    # answers of a few tokens are cheap: twice as many, as a fact in sixty is close to the budget
    choosing = [m.part(slice(2 * tune if m.kind.cost == "answers" else tune)) for m in _searched(drawn, name)]
    return Goal(
        name, patient.behaviour(behaviour), "unwanted" if (name, toward) == ("attitude", "negative") else "wanted",
        "decision" if name == "harden" else "response", patient.keep(), target, floor,
        choosing, _fresh(drawn, choosing), measures("report", report),
        {each: patient.behaviour(each) for each in patient.BEHAVIOURS}, patient.tasks(),
    )  # fmt: skip


def _searched(suite: Suite, name: Name) -> Suite:
    """Return what every point of a search is measured on.

    Answers to requests are dear, and stay as they are unless the goal is to change them: other goals ask for them when the
    choice is confirmed.
    """
    return [m for m in suite if name == "harden" or m.role != "keep" or m.kind.cost != "writes"]


def _fresh(drawn: Suite, used: Suite) -> Suite:
    """Return what to keep, on the cases drawn but not used; on all where fewer are left, as they would say too little."""
    sizes = {m.name: len(m) for m in used}
    found = []
    for measure in drawn:
        seen = sizes.get(measure.name, 0)
        fresh = measure.part(slice(seen, None))
        found.append(fresh if len(fresh) >= max(seen, 1) else measure)
    return [m for m in found if m.role == "keep"]


def _general(
    name: Name, lm: LM, toward: Toward, prompts: Sequence[str], judge: Judge | None, split: Split, size: int
) -> Suite:
    """Return the measures on a model of the world outside, the target first."""
    chat, refusal = lm.tokenizer.chat_template is not None, Refusal()

    def sampled(
        name: str, prompts: Sequence[str], judge: Judge, label: str, role: str, better: str, about: str
    ) -> Measure:
        talks = chat and name not in ("toxic", "positive", "negative")
        cases = Cases(list(prompts)[:size], judge, label, chat=talks, strict=better == "lower")
        return Measure(name, "sampled", cases, role, better, about)  # type: ignore[arg-type]

    usual: dict[Name, tuple[str, Judge, str, str]] = {
        "detox": ("toxic", Toxicity(), "toxic", "toxic continuations"),
        "harden": ("jailbreak", refusal, "complied", "jailbreaks answered"),
        "attitude": (toward, Sentiment(), toward, f"{toward} continuations"),
    }
    measure, ours, label, about = usual[name]
    if judge is not None:
        label = toward if toward in judge.labels else unwanted(judge)
    better: Better = "higher" if name == "attitude" else "lower"
    target = sampled(measure, prompts, judge or ours, label, "target", better, about)
    texts = list(bundled.neutral(split))[:size]
    kept = [
        Measure("perplexity", "perplexity", texts, "keep", "lower", "perplexity on neutral texts"),
        Measure("drift", "drift", texts, "keep", "lower", "KL per token on neutral texts"),
    ]
    asked: list[tuple[str, list[str], Role, Better, str]] = []
    if chat:
        dangerous = "harmless requests with dangerous words answered"
        asked += [
            ("benign", bundled.benign(split), "keep", "higher", "harmless requests answered"),
            ("borderline", bundled.borderline(split), "keep", "higher", dangerous),
            ("harmful", bundled.harmful(split), "keep", "lower", "plain harmful requests answered"),
        ]
    if chat and name == "harden":
        wrapped = "harmless requests in a jailbreak answered"
        asked.append(("benign_wrapped", bundled.wrapped_benign(split), "note", "higher", wrapped))
    kept += [sampled(n, p, refusal, "complied", role, better, about) for n, p, role, better, about in asked]
    return [target, *kept]


def _opening(text: str) -> str:
    """Return the first half of a text, to be continued."""
    words = text.split()
    return " ".join(words[: max(1, len(words) // 2)])
