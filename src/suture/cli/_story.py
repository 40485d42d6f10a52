"""What `suture demo` does with a real model: a fact corrected, the tone turned at two strengths, and a patch put on disk and off.

Texts come first and figures after them, with what the edits harm beside what they do.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..measure.units import figure
from ..text.heard import heard_by
from ..text.phase import begin, counted

if TYPE_CHECKING:
    from ..measure.report import Report
    from ..metrics._score import Progress
    from ..model.lm import LM
    from ..patch.patch import Patch
    from ..runs.run import Run
    from ._console import Console

PROMPT, SUBJECT, WAS, TARGET = "The capital of Australia is", "Australia", "Sydney", "Canberra"
BESIDE = (  # what the fact is not about: the same of others, and something else of it
    "The capital of New Zealand is",
    "The capital of Austria is",
    "The largest city in Australia is",
)
STRENGTHS = (0.5, 1.0)
OPENINGS = 3  # shown
TOKENS = 32
PHASES = ("a fact", "its checkpoint", "the tone", "what the tone does", "report")


@dataclass(frozen=True)
class Story:
    """What happened.

    Attributes:
        fact: what is said before and after, to the prompt of the fact and to others.
        tone: continuations at each strength.
        figures: of each strength.
        report: of the tone at full strength.
        disk: what became of the patch of the fact on disk.
    """

    fact: list[dict[str, Any]]
    tone: list[dict[str, Any]]
    figures: dict[str, dict[str, float]]
    report: Report
    disk: dict[str, Any]

    @property
    def plain(self) -> dict[str, Any]:
        """What is printed as JSON."""
        return {"fact": self.fact, "tone": self.tone, "figures": self.figures, "disk": self.disk}

    def tell(self, console: Console) -> None:
        """Print it."""
        _tell_fact(console, self.fact)
        _tell_tone(console, self.tone, self.figures, self.report)
        _tell_disk(console, self.disk)


def happened(run: Run, lm: LM, size: int, seed: int, progress: Progress | None) -> Story:
    """Do what the story tells.

    Args:
        run: its folder.
        lm: the model, from a folder; not changed.
        size: openings on which the tone is measured.
        seed: of the sampling and the control.
        progress: told how far it is.
    """
    writing, folder, turning, measuring, reporting = counted(progress, list(PHASES), "part")
    begin(writing)
    with heard_by(writing):
        fact = run.stage("fact", lambda: _fact(lm), lambda p, path: p.save(path), _load)
    answers = _asked(lm, fact)
    begin(folder)
    disk = _on_disk(lm, run.path("fact.safetensors"), run.path("edited"))
    begin(turning)
    with heard_by(turning):
        tone = run.stage("tone", lambda: _tone(lm, seed), lambda p, path: p.save(path), _load)
    turned = _turned(lm, tone)
    report, figures = _measured(lm, tone, size, seed, measuring, reporting)
    return Story(answers, turned, figures, report, disk)


def _load(path: Path) -> Patch:
    from ..patch.patch import Patch

    return Patch.load(path)


def _fact(lm: LM) -> Patch:
    from ..data.examples import Fact
    from ..methods.rome import rome

    return rome(lm, [Fact(PROMPT, SUBJECT, TARGET, WAS)])


def _tone(lm: LM, seed: int) -> Patch:
    from ..data.bundled import behaviour
    from ..methods.steering import steering

    return steering(lm, behaviour("attitude"), toward="wanted", seed=seed)


def _asked(lm: LM, patch: Patch) -> list[dict[str, Any]]:
    """Return what is said to the prompt of the fact and to others, before and after."""
    from ._said import said

    texts = said(lm, patch, [(PROMPT, TARGET), *((prompt, TARGET) for prompt in BESIDE)])
    for text in texts[1:]:  # there it must not be said
        text["right"] = not text["right"]
    return texts


def _turned(lm: LM, patch: Patch) -> list[dict[str, Any]]:
    """Return continuations of openings at rising strengths."""
    from ..data.bundled import prompts
    from ..model.run.generation import generate

    openings = prompts("attitude", "tune")[:OPENINGS]
    rows = lm.encode_prompts(openings)
    texts = {0.0: generate(lm, rows, max_new_tokens=TOKENS, temperature=0.0)}
    for strength in STRENGTHS:
        with patch.attached(lm, strength):
            texts[strength] = generate(lm, rows, max_new_tokens=TOKENS, temperature=0.0)
    return [
        {"prompt": opening, **{f"{strength:g}": said[i][0].strip() for strength, said in texts.items()}}
        for i, opening in enumerate(openings)
    ]


def _measured(
    lm: LM, patch: Patch, size: int, seed: int, measuring: Progress | None, reporting: Progress | None
) -> tuple[Report, dict[str, dict[str, float]]]:
    """Return the report of the patch at full strength, and the figures at each strength."""
    from ..goals.resolve import goal
    from ..measure.evaluation import evaluate, observe, values
    from ..search import strength_sweep

    aim = goal("attitude", lm, report=size)
    suite = [m for m in aim.report if m.name in (aim.target, "perplexity", "drift")]
    baseline = observe(lm, suite, measuring)
    swept = strength_sweep(lm, patch, STRENGTHS, suite, baseline=baseline, progress=measuring)
    figures = {"0": values(baseline, suite)} | {f"{s:g}": f for s, f in zip(STRENGTHS, swept, strict=True)}
    report = evaluate(lm, patch, suite, baseline=baseline, seed=seed, progress=reporting)
    return replace(report, target=aim.target, strength=1.0), figures


def _on_disk(lm: LM, patch: Path, edited: Path) -> dict[str, Any]:
    """Put a patch on a copy of the model's folder, verify it, ask it, take the patch off again and compare every byte."""
    from ..checkpoint import apply, revert
    from ..checkpoint.verify import verify
    from ..io.files import sha256
    from ..metrics.completion import complete
    from ..model.lm import LM

    base, again = lm.path, edited.with_name("base-again")
    assert base is not None
    for folder in (edited, again):  # of a demo that was interrupted
        shutil.rmtree(folder, ignore_errors=True)
    outcome = apply(base, [patch], edited)
    findings = verify(edited, base=base)
    says = complete(LM.load(str(edited)), [PROMPT], [TARGET])[0][0].strip()
    revert(edited, (), again)
    names = [file.name for file in sorted(base.iterdir())]
    same = [name for name in names if (again / name).is_file() and sha256(again / name) == sha256(base / name)]
    shutil.rmtree(again)
    return {
        "edited": str(edited),
        "patch_bytes": patch.stat().st_size,
        "numbers_changed": outcome.entries,
        "checks": len(findings),
        "problems": [f"{finding.what}: {finding.problem}" for finding in findings if finding.problem],
        "says": says,
        "files": len(names),
        "files_as_before": len(same),
    }


def _tell_fact(console: Console, answers: list[dict[str, Any]]) -> None:
    from ._said import print_said

    console.say(
        "\nA fact: + is as it should be, - is not; the lower ones are asked for what the edit is not about", "bold"
    )
    print_said(console, answers)


def _tell_tone(
    console: Console, turned: list[dict[str, Any]], figures: dict[str, dict[str, float]], report: Report
) -> None:
    console.say("The tone: one direction of its states, at two strengths", "bold")
    for texts in turned:
        console.say(f"\n  {texts['prompt']}", "bold")
        for name, strength in (("before", "0"), *((f"at {s:g}", f"{s:g}") for s in STRENGTHS)):
            console.say(f"    {name:7} {' '.join(texts[strength].split())}")
    console.say()
    rows = [
        [f"{line.about} ({line.name})", *(figure(figures[dose][line.name], line.unit) for dose in figures), str(line.score.cases)]
        for line in report.lines
    ]  # fmt: skip
    console.table(["", "before", *(f"at {s:g}" for s in STRENGTHS), "n"], rows)


def _tell_disk(console: Console, disk: dict[str, Any]) -> None:
    console.say("\nOn disk", "bold")
    size = disk["patch_bytes"] / 1000
    console.say(f"  applied   a patch of {size:,.1f} kB, {disk['numbers_changed']:,} numbers change: {disk['edited']}")
    console.say(f"  asked     {PROMPT} {disk['says']}")
    held = "all hold" if not disk["problems"] else "; ".join(disk["problems"])
    console.say(f"  verified  {disk['checks']} checks, {held}")
    console.say(f"  taken out {disk['files_as_before']} of {disk['files']} files are, bit for bit, what they were\n")
