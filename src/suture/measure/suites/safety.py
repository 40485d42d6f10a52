"""What the safety of a model is measured on: files of attacks, over-refusal, toxicity and SafeEdit, as suites.

    attack success          share of answers that comply, by each judge; refused, deflected and broken beside it
    over-refusal            harmless requests that sound dangerous and are refused (XSTest), and the dangerous ones answered
    toxicity                RealToxicityPrompts: expected maximum and probability over 25 samples, and one greedy sample
    ToxiGen                 share of toxic greedy continuations, judged to the end of their first line
    SafeEdit                DS and the four DG, each a figure of its own, and the fluency of the same answers

Sources: Röttger et al. 2024 (XSTest); Gehman et al. 2020 (RealToxicityPrompts); Hartvigsen et al. 2022 (ToxiGen); Wang et al.
2024 (SafeEdit). What an answer is, only free generation decides; what a judge can not place counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ... import registry
from ...data.bundled.neutral import neutral
from ...data.bundled.requests import benign, borderline
from ...data.conversation import behind
from ...data.examples import Texts
from ...data.instances import load
from ...data.instances import prompts as tests_of
from ...data.prompt_rows import Asked, prompts_of
from ...data.safety_files import contrasted, demonstrations, kind_of
from ...errors import DataError
from ...io.rows import plain_stem
from ...judges import Judge, Refusal, Steady, Toxicity, judge_named, others, unwanted, wanted
from ...metrics import _written, sampled, worst
from ..suite import Better, Measure, Role, Suite

TOKENS = 64  # longest answer to a request
TOXIGEN_TOKENS = 128  # of the harness of Model Surgery's authors
SIZE = 200


def safety_suite(
    sources: Sequence[str],
    judges: Sequence[str] = (),
    *,
    chat: bool = True,
    size: int = SIZE,
    suffix: str = "",
    tokens: int = TOKENS,
) -> Suite:
    """Return the measures of some files.

    Args:
        sources: files, each "KIND:PATH" or a path whose kind is told by its columns (`safety_files`); "patient" or
            "patient:tune" for SafeEdit's tests made from the bundled model's world.
        judges: names for `judge_named`; those that know "toxic" judge continuations, the others answers. By default our
            rules for either.
        chat: write requests with the chat template; continuations are always of raw text.
        size: prompts used of each file.
        suffix: also measure every request with this text behind it.
        tokens: longest answer.

    Raises:
        DataError: for a file that can not be read, or an unknown judge.
    """
    pairs = [(name, judge_named(name)) for name in judges]
    talk = [(name, judge) for name, judge in pairs if unwanted(judge) == "toxic"] or [("toxicity", Toxicity())]
    answers = [pair for pair in pairs if pair not in talk] or [("refusal", Refusal())]
    makers: dict[str, Callable[[str, str], Suite]] = {
        "attacks": lambda name, path: _requests(name, prompts_of(path)[:size], answers, tokens, chat),
        "xstest": lambda name, path: _xstest(name, path, answers, size, tokens, chat),
        "rtp": lambda name, path: _rtp(name, list(Texts.load(path))[:size], talk),
        "toxigen": lambda name, path: _toxigen(name, path, talk, size),
        "safeedit": lambda name, path: safeedit(path, pairs and answers, size=size, tokens=tokens, chat=chat),
    }
    measures: Suite = []
    for source in sources:
        kind, path = kind_of(source)
        suite = makers[kind](plain_stem(path) or kind, path)
        measures += suite + (with_suffix(suite, suffix) if suffix else [])
    return unique(measures)


def safeedit(
    source: str | Path,
    judges: Sequence[tuple[str, Judge]] = (),
    *,
    size: int = SIZE,
    tokens: int = TOKENS,
    chat: bool = True,
) -> Suite:
    """Return SafeEdit's measures of instances: DS, DG_onlyQ, DG_otherA, DG_otherQ, DG_otherAQ, fluency, general performance.

    General performance is what the edit must not harm: harmless requests answered and perplexity, of the bundled model's own
    world for its own instances. The paper's TriviaQA and XSum are tasks of `suture.measure.harness`. Without judges the
    bundled model is judged by its own rule, any other by `Refusal`.
    """
    if not judges:
        judges = [("patient", _patient_judge())] if str(source).startswith("patient") else [("refusal", Refusal())]
    tests = {name: texts[:size] for name, texts in tests_of(load(source)).items()}
    measures = [measure for name, texts in tests.items() for measure in _safety(name, texts, judges, tokens, chat)]
    every = [text for texts in tests.values() for text in texts][:size]
    cases = _written.Cases(every, chat=chat, max_new_tokens=tokens)
    measures.append(Measure("fluency_tests", "fluency", cases, "note", "higher", "n-gram entropy of the answers"))
    measures.append(Measure("loops_tests", "loops", cases, "keep", "lower", "answers that end in a loop"))
    return measures + (
        _patient(str(source), size) if str(source).startswith("patient") else _general_measures(size, tokens, chat)
    )


def with_suffix(measures: Suite, suffix: str) -> Suite:
    """Return the measures of requests once more, each request followed by a suffix, under names that say so."""
    copies = []
    for measure in measures:
        if isinstance(measure.cases, sampled.Cases | _written.Cases) and measure.cases.chat:
            cases = replace(measure.cases, prompts=[behind(prompt, suffix) for prompt in measure.cases.prompts])
            role: Role = "note" if measure.role == "target" else measure.role
            copies.append(
                replace(
                    measure, name=f"{measure.name} +S", cases=cases, role=role, about=f"{measure.about}, suffix added"
                )
            )
    return copies


def unique(measures: Suite) -> Suite:
    """Return the measures without later ones of the same name."""
    return list({measure.name: measure for measure in reversed(measures)}.values())[::-1]


def _requests(name: str, rows: Sequence[Asked], judges: Sequence[tuple[str, Judge]], tokens: int, chat: bool) -> Suite:
    """Return the measures of attacks, and of the questions inside them where they are told apart."""
    measures = _attacks(name, [row.text for row in rows], judges, tokens, chat)
    if plain := list(dict.fromkeys(row.plain for row in rows if row.plain)):
        judge = judges[0][1]
        about = f"{name}: {unwanted(judge)}, the questions without the attacks"
        measures.append(_answers(f"{name} plain", plain, judge, unwanted(judge), "note", "lower", about, tokens, chat))
    return measures


def _attacks(name: str, texts: list[str], judges: Sequence[tuple[str, Judge]], tokens: int, chat: bool) -> Suite:
    """Return how often requests get each label, by each judge; the first one's figure of the unwanted one is the target."""
    measures: Suite = []
    for index, (word, judge) in enumerate(judges):
        by = "" if index == 0 else f" ({word})"
        labels: tuple[tuple[str, Better], ...] = (
            (unwanted(judge), "lower"),
            (wanted(judge), "higher"),
            *((label, "none") for label in others(judge)),
        )
        for label, better in labels:
            role: Role = "target" if index == 0 and label == unwanted(judge) else "note"
            title = f"{name}{by}" if label == unwanted(judge) else f"{name} {label}{by}"
            measures.append(_answers(title, texts, judge, label, role, better, f"{name}: {label}{by}", tokens, chat))
    return measures


def _safety(name: str, texts: list[str], judges: Sequence[tuple[str, Judge]], tokens: int, chat: bool) -> Suite:
    """Return the share of safe answers, and of those neither safe nor unsafe, by each judge; two samples a prompt, as drawn."""
    measures: Suite = []
    for index, (word, judge) in enumerate(judges):
        by = "" if index == 0 else f" ({word})"
        role: Role = "target" if index == 0 else "note"
        beside: tuple[tuple[str, str, Better], ...] = tuple(
            (label, f"{name} {label}", "none") for label in others(judge)
        )
        for label, title, better in ((wanted(judge), name, "higher"), *beside):
            cases = sampled.Cases(texts, Steady(judge), label, chat=chat, max_new_tokens=tokens)
            kind: Role = role if label == wanted(judge) else "note"
            measures.append(Measure(f"{title}{by}", "sampled", cases, kind, better, f"{name}: {label}{by}"))
    return measures


def _answers(
    title: str,
    texts: list[str],
    judge: Judge,
    label: str,
    role: Role,
    better: Better,
    about: str,
    tokens: int,
    chat: bool,
) -> Measure:
    """Return a measure of greedy answers; loops are no answers."""
    cases = sampled.Cases(
        texts,
        Steady(judge),
        label,
        chat=chat,
        samples=1,
        max_new_tokens=tokens,
        temperature=0.0,
        strict=better == "lower",
    )
    return Measure(title, "sampled", cases, role, better, about)


def _xstest(name: str, path: str, judges: Sequence[tuple[str, Judge]], size: int, tokens: int, chat: bool) -> Suite:
    safe, unsafe = contrasted(path)
    measures: Suite = []
    for index, (word, judge) in enumerate(judges):
        by = "" if index == 0 else f" ({word})"
        role: Role = "keep" if index == 0 else "note"
        beside = tuple((label, f"overrefusal {label}") for label in others(judge))
        for label, title in ((wanted(judge), "overrefusal"), *beside):
            kind: Role = role if label == wanted(judge) else "note"
            about = f"harmless requests that sound dangerous: {label}{by}"
            measures.append(_answers(f"{title}{by}", safe[:size], judge, label, kind, "lower", about, tokens, chat))
    return measures + _attacks(f"{name}_unsafe", unsafe[:size], judges, tokens, chat)


def _rtp(name: str, texts: list[str], judges: Sequence[tuple[str, Judge]]) -> Suite:
    measures: Suite = []
    for index, (word, judge) in enumerate(judges):
        by = "" if index == 0 else f" ({word})"
        role: Role = "target" if index == 0 else "note"
        drawn = worst.Cases(texts, judge)
        greedy = worst.Cases(texts, judge, reached=True, samples=1, temperature=0.0, top_p=1.0)
        every = f"of {drawn.samples} samples{by}"
        measures += [
            Measure(f"{name} maximum{by}", "worst", drawn, role, "lower", f"expected maximum toxicity {every}"),
            Measure(f"{name} probability{by}", "worst", replace(drawn, reached=True), "note", "lower",
                    f"prompts with a toxic one {every}"),
            Measure(f"{name} greedy{by}", "worst", greedy, "note", "lower", f"toxic greedy continuations{by}"),
        ]  # fmt: skip
    return measures


def _toxigen(name: str, path: str, judges: Sequence[tuple[str, Judge]], size: int) -> Suite:
    """Return toxic shares: of a file, or of the files hate_*.txt and neutral_*.txt of a folder."""
    files = {name: [path]}
    if Path(path).is_dir():
        files = {kind: sorted(map(str, Path(path).glob(f"{kind}_*.txt"))) for kind in ("hate", "neutral")}
    measures: Suite = []
    for group, members in files.items():
        texts = [text for file in members for text in demonstrations(file)[:size]]
        for index, (word, judge) in enumerate(judges if texts else ()):
            by, role = ("", "target") if index == 0 else (f" ({word})", "note")
            first = Steady(judge, stop="\n")
            cases = sampled.Cases(
                texts, first, unwanted(judge), samples=1, max_new_tokens=TOXIGEN_TOKENS, temperature=0.0, strict=True
            )
            about = f"toxic continuations of {group} statements{by}"
            title = f"toxigen{'' if group == name else f' {group}'}{by}"
            measures.append(Measure(title, "sampled", cases, role, "lower", about))  # type: ignore[arg-type]
    if not measures:
        raise DataError(
            f"{path} holds no prompts of ToxiGen", fix="Give a .txt, or a folder with hate_*.txt and neutral_*.txt."
        )
    return measures


def _general_measures(size: int, tokens: int, chat: bool) -> Suite:
    """Return what must stay in any English model: harmless requests answered, plain and dangerous-sounding; perplexity."""
    requests = {"benign": benign("report"), "borderline": borderline("report")}
    measures = [
        _answers(name, texts[:size], Refusal(), "complied", "keep", "higher", f"{name} requests answered", tokens, chat)
        for name, texts in requests.items()
    ]
    return [
        *measures,
        Measure(
            "perplexity", "perplexity", list(neutral("report"))[:size], "keep", "lower", "perplexity on neutral text"
        ),
    ]


def _patient(source: str, size: int) -> Suite:
    """Return what must stay in the bundled model."""
    patient = registry.source("patient")
    return [measure for measure in patient.suite(source, size) if measure.name in patient.world().KEPT]


def _patient_judge() -> Judge:
    judge: Judge = registry.source("patient").world().REFUSED
    return judge
