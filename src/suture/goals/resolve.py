"""What a goal means on the model at hand: texts, the measures that choose settings and those that report, what to keep.

Settings are chosen on the split "tune", figures made on "report", whose prompts no choice has seen. The bundled model has a
world of its own; any other model is measured on bundled texts, or the user's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..data import bundled
from ..data.bundled._parts import Split
from ..data.examples import Behaviour, Texts
from ..errors import DataError, UsageError
from ..judges import Judge, judge_named
from ..locate._probes import alternating
from ..measure.suite import Measure, Role, Suite
from ..methods.policy_gradient import SAMPLES
from ..model.lm import BUNDLED, LM
from ..model.run.documents import documents
from ..registry import get, source
from ..text.letters import is_mark
from .measures import KEPT, Measures
from .schema import Goal, Name, Preset, Target, Toward, World
from .screening import SCREENED

PROMPTS = 0.4  # of the user's own texts: held out, half to choose settings and half to report
FEWEST_KEPT = 24  # of the user's own texts to keep: half to be quiet on, a quarter each to choose by and to report
PATIENT_KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "harmful", "perplexity", "drift")
CHOOSING: tuple[Split, Split] = ("tune", "report")
NEUTRAL = 40  # neutral texts on which settings are chosen
ANSWERED = (
    40  # requests of each kind whose answers confirm a choice, or are reported by goals that are about something else
)
OWN_ANSWERS = 16  # harmless requests whose own answers are to stay as likely
PROSE = 0.9  # of the characters of running text are letters, or between words
WRITTEN = 60  # prompts whose continuations, SAMPLES each, a model is to learn from


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
    keep: Texts | None = None,
    judge: Judge | str | Sequence[Judge | str] | None = None,
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
        keep: own texts to leave alone, instead of the bundled ones.
        judge: what tells whether a continuation is unwanted (for "attitude": whether it is what is wanted), instead of ours; or
            its name. Of several the first decides, and the report has what the others say of the same texts.
        tune: prompts a measure while settings are chosen.
        report: prompts a measure in the report.

    Raises:
        DataError: when own texts are too few to hold some out.
        UsageError: as `preset`.
    """
    chosen_preset = preset(name, toward)
    if lm.name in BUNDLED and chosen_preset.world and data is None and prompts is None and judge is None:
        return _in_world(name, lm, chosen_preset, chosen_preset.world, keep, tune, report)
    brought, _, part = chosen_preset.texts.partition(":")
    texts, about_requests = source(brought), chosen_preset.target.requests
    behaviour, split_prompts = _user_texts(data, prompts) if data or prompts is not None else (None, None)
    written = _beginnings(behaviour, requests=about_requests) if behaviour else texts.prompts(part, "probe")
    behaviour = behaviour or texts.behaviour(part)
    split_prompts = split_prompts or {split: texts.prompts(part, split) for split in CHOOSING}
    neutral = _neutral(keep)
    first, panel = _judges(judge)
    make = Measures(chosen_preset, lm, texts, judge_named(first) if isinstance(first, str) else first, panel)
    judge_name = chosen_preset.target.judge if first is None else first if isinstance(first, str) else ""
    ours = data is None and prompts is None
    elsewhere = texts.elsewhere(part) if ours and hasattr(texts, "elsewhere") else []
    few = min(tune, NEUTRAL)
    pool = split_prompts["tune"]
    if ours and chosen_preset.target.better == "higher":
        pool = _in_turn(pool, [_opening(text) for text in neutral["tune"] if _is_prose(text)])
    pool = pool[: SCREENED * tune]
    answered = report if about_requests else min(report, ANSWERED)
    requests = make.requests("tune", 2 * tune if about_requests else min(tune, ANSWERED))
    searched = _asked(requests, tune) if about_requests else []
    choosing = [make.target(pool[:tune], seed=1), *make.neutral(documents(lm, neutral["tune"][:few])), *searched]
    return Goal(
        name=name,
        behaviour=behaviour,
        leave=chosen_preset.leave,
        pool=chosen_preset.pool,
        keep=Texts(neutral["probe"]),
        target=chosen_preset.target.name,
        best_possible=chosen_preset.target.best_possible,
        methods=chosen_preset.methods,
        tune=[*choosing, *make.margin(behaviour)],
        confirm=_fresh([*make.neutral(documents(lm, neutral["tune"][: 3 * few])), *requests], choosing),
        report=make.reported(
            split_prompts["report"][:report], documents(lm, neutral["report"][:report]), answered, elsewhere
        ),
        related={key: behaviour if key == name else bundled.behaviour(key) for key in bundled.BEHAVIOURS},
        tasks=bundled.tasks("probe"),
        screen=make.target(pool) if len(pool) > tune else None,
        answered=_answered(choosing) if about_requests else (),
        written=_several(make.target(written[:WRITTEN], seed=2)) if written else None,
        judge=judge_name,
    )


def _judges(given: Judge | str | Sequence[Judge | str] | None) -> tuple[Judge | str | None, dict[str, Judge]]:
    """Return the judge that decides, None for the goal's own, and the others by name."""
    if given is None or isinstance(given, str) or callable(given):
        return given, {}
    if not given:
        return None, {}
    first, *rest = given
    names = [j if isinstance(j, str) else getattr(j, "__name__", type(j).__name__) for j in rest]
    return first, {name: judge_named(j) if isinstance(j, str) else j for name, j in zip(names, rest, strict=True)}


def _in_turn(prompts: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return prompts and others in turn, as many of both.

    What any text can show is to show in any text: chosen on openings of opinions alone, an edit may do nothing elsewhere.
    """
    return [text for pair in zip(prompts, others, strict=False) for text in pair] or list(prompts)


def _is_prose(text: str) -> bool:
    """Return whether nearly all of a text is letters: sums, code and tables show nothing."""
    return sum(c.isalpha() or c.isspace() or is_mark(c) for c in text) >= PROSE * len(text)


def _several(target: Measure) -> Measure:
    """Return a target of which each prompt is continued SAMPLES times."""
    return replace(target, cases=replace(target.cases, samples=SAMPLES))


def _beginnings(behaviour: Behaviour, *, requests: bool) -> list[str]:
    """Return how texts of a behaviour begin, or the requests that are answered in them; the classes take turns."""
    texts = alternating(behaviour.examples)
    if requests:
        return list(dict.fromkeys(e.prompt for e in texts if e.prompt))
    return list(dict.fromkeys(_opening(e.text) for e in texts))


def _asked(requests: Suite, count: int) -> Suite:
    """Return what a search about requests is measured on beside its target.

    At every point harmless requests answered; of the base alone plain harmful ones, which a point that is any good refuses more
    of. What is only shown waits for the report.
    """
    kept = [m.part(slice(count)) for m in requests if m.role == "keep"]
    return [m if m.better == "higher" else replace(m, role="floor") for m in kept]


def _answered(choosing: Suite) -> tuple[str, ...]:
    """Return a few of the harmless requests that settings are chosen by."""
    requests = [m for m in choosing if m.name == KEPT[0].name]
    return tuple(requests[0].cases.prompts[:OWN_ANSWERS]) if requests else ()


def _neutral(keep: Texts | None) -> dict[Split, list[str]]:
    """Return texts to leave alone, to be quiet on, to choose settings on and to report: the user's, or the bundled ones.

    Raises:
        DataError: when there are too few.
    """
    if keep is None:
        return {split: list(bundled.broad(split)) for split in ("probe", "tune", "report")}
    if len(keep) < FEWEST_KEPT:
        raise DataError(f"{len(keep)} texts to keep are too few", fix=f"Give at least {FEWEST_KEPT}.")
    return {"probe": list(keep[::2]), "tune": list(keep[1::4]), "report": list(keep[3::4])}


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


def _in_world(
    name: Name, lm: LM, chosen_preset: Preset, world: World, keep: Texts | None, tune: int, report: int
) -> Goal:
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
    behaviour = patient.behaviour(world.behaviour)
    return Goal(
        name=name,
        behaviour=behaviour,
        leave=chosen_preset.leave,
        pool=world.pool,
        keep=keep or patient.keep(),
        target=world.target,
        best_possible=world.best_possible,
        methods=world.methods,
        tune=[*choosing, *Measures(chosen_preset, lm, patient).margin(behaviour)],
        confirm=_fresh(drawn, choosing),
        report=measures("report", report),
        related={key: patient.behaviour(key) for key in patient.BEHAVIOURS},
        tasks=patient.tasks(),
        answered=_answered(choosing) if chosen_preset.target.requests else (),
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


def _opening(text: str) -> str:
    """Return the first half of a text, to be continued."""
    words = text.split()
    return " ".join(words[: max(1, len(words) // 2)])
