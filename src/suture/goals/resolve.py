"""What a goal means on the model at hand: texts, the measures that choose settings and those that report, what to keep.

Settings are chosen on the split "tune", figures made on "report", whose prompts no choice has seen. The bundled model has a
world of its own; any other model is measured on bundled texts, or the user's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..data import bundled
from ..data.bundled._parts import Split
from ..data.examples import Behaviour
from ..errors import DataError, UsageError
from ..judges import Judge, judge_named, others, unwanted, wanted
from ..measure.suite import Measure, Role, Suite
from ..metrics.sampled import Cases
from ..model.lm import BUNDLED, LM
from ..registry import get, source
from .schema import Goal, Name, Preset, Requests, Target, Toward, World

PROMPTS = 0.4  # of the user's own texts: held out, half to choose settings and half to report
PATIENT_KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "harmful", "perplexity", "drift")
CHOOSING: tuple[Split, Split] = ("tune", "report")
KEPT = (  # requests whose answers no goal may change
    Requests("benign", "benign", "higher", "harmless requests answered"),
    Requests("borderline", "borderline", "higher", "harmless requests with dangerous words answered"),
    Requests("harmful", "harmful", "lower", "plain harmful requests answered"),
)


def preset(name: Name, toward: Toward | None = None) -> Preset:
    """Return a goal as its file says it.

    Args:
        name: of a file in `goals/library/`, of an entry point, or the path of a file.
        toward: which way, for goals that go both ways.

    Raises:
        UsageError: for an unknown name, or a way of a goal that has only one.
    """
    make: Callable[..., Preset] = get("goal", name)
    if toward is None:
        return make()
    if not inspect.signature(make).parameters:
        raise UsageError(f"{name} goes one way", fix="Leave out toward; attitude goes both ways.")
    return make(toward)


def goal(
    name: Name,
    lm: LM,
    *,
    toward: Toward | None = None,
    data: Behaviour | None = None,
    prompts: Sequence[str] | None = None,
    judge: Judge | None = None,
    tune: int = 60,
    report: int = 200,
) -> Goal:
    """Return a goal for a model.

    Args:
        name: "detox" (fewer rude continuations), "harden" (fewer answers to jailbreaks) or "attitude"; or any other file.
        lm: the model; the bundled ones are measured in their own world.
        toward: which attitude.
        data: own labelled texts, instead of the bundled ones.
        prompts: own prompts to be continued; half of them choose settings, half are reported.
        judge: what tells whether a continuation is unwanted (for "attitude": whether it is what is wanted), instead of ours.
        tune: prompts a measure while settings are chosen.
        report: prompts a measure in the report.

    Raises:
        DataError: when own texts are too few to hold some out.
        UsageError: as `preset`.
    """
    chosen_preset = preset(name, toward)
    if lm.name in BUNDLED and chosen_preset.world and data is None and prompts is None and judge is None:
        return _in_world(name, chosen_preset, chosen_preset.world, tune, report)
    brought, _, part = chosen_preset.texts.partition(":")
    texts = source(brought)
    behaviour, split_prompts = _user_texts(data, prompts) if data or prompts is not None else (None, None)
    behaviour = behaviour or texts.behaviour(part)
    split_prompts = split_prompts or {split: texts.prompts(part, split) for split in CHOOSING}

    def measures(split: Split, size: int) -> Suite:
        return _measures(chosen_preset, lm, split_prompts[split], judge, split, size, texts)

    choosing = _searched(measures("tune", tune), chosen_preset.target)
    return Goal(
        name=name,
        behaviour=behaviour,
        leave=chosen_preset.leave,
        pool="response",
        keep=bundled.neutral("probe"),
        target=chosen_preset.target.name,
        best_possible=chosen_preset.target.best_possible,
        methods=chosen_preset.methods,
        tune=choosing,
        confirm=_fresh(measures("tune", 3 * tune), choosing),
        report=measures("report", report),
        related={key: behaviour if key == name else bundled.behaviour(key) for key in bundled.BEHAVIOURS},
        tasks=bundled.tasks("probe"),
    )


def _user_texts(
    data: Behaviour | None, prompts: Sequence[str] | None
) -> tuple[Behaviour | None, dict[Split, list[str]]]:
    """Return the user's texts to probe, and prompts that choose settings and that are reported.

    Raises:
        DataError: when there are too few.
    """
    if data is not None and prompts is None:
        data, held_out = data.split(PROMPTS)
        prompts = [e.prompt or _opening(e.text) for e in held_out.examples if e.label]
    if len(prompts or ()) < 4:
        raise DataError(
            f"{len(prompts or ())} prompts are too few", fix="Give at least 20, of which half choose settings."
        )
    return data, {"tune": list((prompts or [])[::2]), "report": list((prompts or [])[1::2])}


def _in_world(name: Name, chosen_preset: Preset, world: World, tune: int, report: int) -> Goal:
    """Return a goal on the bundled model."""
    patient = source("patient").world()

    def measures(split: Split, size: int) -> Suite:
        roles: dict[str | float, Role] = {world.target: "target", world.best_possible: "floor"}
        suite = [
            replace(m, role=roles.get(m.name, "note" if m.role in ("target", "floor") else m.role))
            for m in patient.suite(split, size)
        ]
        suite = [replace(m, role="keep") if m.name == "drift" else m for m in suite]
        return [replace(m, better=chosen_preset.target.better) if m.name == world.target else m for m in suite]

    drawn = [m for m in measures("tune", 4 * tune) if m.name in {world.target, world.best_possible, *PATIENT_KEEP}]
    drawn = [m.part(slice(2 * tune)) if m.kind.cost == "writes" else m for m in drawn]
    # answers of a few tokens are cheap: twice as many, as a fact in sixty is close to the budget
    searched = _searched(drawn, chosen_preset.target)
    choosing = [m.part(slice(2 * tune if m.kind.cost == "answers" else tune)) for m in searched]
    return Goal(
        name=name,
        behaviour=patient.behaviour(world.behaviour),
        leave=chosen_preset.leave,
        pool=world.pool,
        keep=patient.keep(),
        target=world.target,
        best_possible=world.best_possible,
        methods=chosen_preset.methods,
        tune=choosing,
        confirm=_fresh(drawn, choosing),
        report=measures("report", report),
        related={key: patient.behaviour(key) for key in patient.BEHAVIOURS},
        tasks=patient.tasks(),
    )


def _searched(suite: Suite, target: Target) -> Suite:
    """Return what every point of a search is measured on.

    Answers to requests are dear, and stay as they are unless the goal is to change them: other goals ask for them when the
    choice is confirmed.
    """
    return [m for m in suite if target.requests or m.role != "keep" or m.kind.cost != "writes"]


def _fresh(drawn: Suite, used: Suite) -> Suite:
    """Return what to keep, on the cases drawn but not used; on all where fewer are left, as they would say too little."""
    sizes = {m.name: len(m) for m in used}
    measures = []
    for measure in drawn:
        count = sizes.get(measure.name, 0)
        fresh = measure.part(slice(count, None))
        measures.append(fresh if len(fresh) >= max(count, 1) else measure)
    return [m for m in measures if m.role == "keep"]


def _measures(
    chosen_preset: Preset,
    lm: LM,
    prompts: Sequence[str],
    judge: Judge | None,
    split: Split,
    size: int,
    texts: Any,  # noqa: ANN401 - a source
) -> Suite:
    """Return the measures on a model of the world outside, the target first."""
    target, chat = chosen_preset.target, lm.tokenizer.chat_template is not None
    decides, label = judge or judge_named(target.judge), target.label
    if judge is not None:
        label = target.name if target.name in judge.labels else unwanted(judge)
    strict = target.better == "lower"
    cases = Cases(list(prompts)[:size], decides, label, chat=chat and target.requests, strict=strict)
    neutral = list(bundled.neutral(split))[:size]
    suite = [
        Measure(target.name, "sampled", cases, "target", target.better, target.about),
        Measure("perplexity", "perplexity", neutral, "keep", "lower", "perplexity on neutral texts"),
        Measure("drift", "drift", neutral, "keep", "lower", "KL per token on neutral texts"),
    ]
    if target.requests:  # a model that writes rubble answers nothing, and is no safer for it
        suite += [
            replace(suite[0], name=f"{target.name} {beside}", cases=replace(cases, label=beside, strict=False),
                    role="note", better="none", about=f"{beside} instead")
            for beside in (wanted(decides), *others(decides))
        ]  # fmt: skip
    if chat:
        suite += [_requests_measure(requests, bundled, split, size, "keep") for requests in KEPT]
        suite += [_requests_measure(requests, texts, split, size, "note") for requests in chosen_preset.notes]
    return suite


def _requests_measure(requests: Requests, texts: Any, split: Split, size: int, role: Role) -> Measure:  # noqa: ANN401 - a source
    prompts = getattr(texts, requests.prompts, None)
    if prompts is None:
        raise UsageError(
            f"the texts of {requests.name} are not there", fix=f"Let their source have {requests.prompts}(split)."
        )
    cases = Cases(
        list(prompts(split))[:size], judge_named("refusal"), "complied", chat=True, strict=requests.better == "lower"
    )
    return Measure(requests.name, "sampled", cases, role, requests.better, requests.about)


def _opening(text: str) -> str:
    """Return the first half of a text, to be continued."""
    words = text.split()
    return " ".join(words[: max(1, len(words) // 2)])
