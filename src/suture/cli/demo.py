"""suture demo: the whole story on the bundled model, offline, in about a minute."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ._options import Json, Out, typed

SHARE = 0.05  # of the gate rows; the paper edits 0.0465
STRENGTHS = (1.0, 1.5, 2.0)  # mean row norms
TUNE, ENOUGH = 62, 0.10  # prompts a measure in the search; share of the excess that may be left
KEEP = ("facts_seen", "arithmetic", "benign", "perplexity")


def demo(
    out: Out = None,
    size: Annotated[int, typer.Option(help="Prompts a measure in the report.")] = 80,
    seed: Annotated[int, typer.Option(help="Of the probe's split and the control.")] = 0,
    json: Json = False,
) -> None:
    """Make the bundled model kinder: probe, locate, edit, choose a strength, measure, save, and undo. Writes a report."""
    import shlex
    import time
    from dataclasses import replace

    from ..activity import activity
    from ..budget import Budget
    from ..errors import NoEffect
    from ..evaluation import evaluate, observe, values
    from ..lm import LM
    from ..locate.effect_rows import effect_rows
    from ..methods.surgery import surgery
    from ..patch import Patch
    from ..patient.suites import behaviour, keep, suite
    from ..probe import fit_probe, quietened
    from ..report import Where
    from ..runs import new_folder
    from ..search import search
    from ._console import Console
    from .evaluate import print_report

    console, began = Console(json), time.monotonic()
    folder = out or new_folder("demo")
    lm = LM.load("patient")
    texts = behaviour("tone")
    console.say(f"1  read {len(texts.examples)} texts, half of them rude, half kind")
    probe = fit_probe(lm, texts, seed=seed)
    score = probe.scores[probe.best]
    console.say(f"   a linear probe tells them apart: {score.accuracy:.1%} of {score.held_out} held-out texts")
    quiet = quietened(lm, probe, keep(), texts)
    region = effect_rows(lm, quiet, texts, keep=keep(), rows=SHARE, seed=seed)
    candidate = surgery(lm, texts, probe=quiet, region=region, seed=seed)
    console.say(
        f"2  chose {region.count} of {region.candidates} gate rows: most gain for least damage to {len(keep())} texts to keep"
    )
    tune = {m.name: m for m in suite("tune", TUNE)}
    budget = Budget()
    measures = [tune["rude"], *(replace(tune[name], role="keep") for name in KEEP)]
    console.say(f"3  try {len(STRENGTHS)} strengths on {TUNE} prompts that the report does not use")
    floor = tune["rude_floor"]
    with console.progress("searching") as step:
        ground = values(observe(lm, [tune["rude"], floor], step), [tune["rude"], floor])
        aim = ground["rude_floor"] + ENOUGH * (ground["rude"] - ground["rude_floor"])
        found = search(
            lm, {"surgery": candidate}, STRENGTHS, measures, "rude", budget=budget, stop_at=aim, progress=step
        )
    if found.best is None:
        raise NoEffect(
            "no strength helps within the budget", fix="This should not happen on the bundled model: report it."
        )
    best = found.best
    patch = surgery(lm, texts, probe=quiet, region=region, strength=best.strength, seed=seed)
    console.say(f"   chosen: {best.strength:g} row norms")
    paths: dict[str, Any] = {
        "probe": quiet.save(folder / "probe.safetensors"),
        "region": region.save(folder / "region.safetensors"),
        "patch": patch.save(folder / "patch.safetensors"),
    }
    console.say("4  measure base, patch and a random patch of the same size on new prompts")
    with console.progress("measuring") as step:
        report = evaluate(lm, Patch.load(paths["patch"]), suite("report", size), seed=seed, progress=step)
    named = {key: shlex.quote(str(path)) for key, path in paths.items()}
    report = replace(
        report,
        doses=found.curve(best.settings),
        extra={"seconds": time.monotonic() - began},
        target="rude",
        strength=best.strength,
        budget=budget,
        search=found.shown(measures, "rude", budget),
        where=Where.of(region),
        activity=activity(lm, patch, region, texts),
        commands=[
            typed(),
            "# the edit alone, then its figures",
            f"suture edit surgery patient --data patient:tone --probe {named['probe']} --region {named['region']} "
            f"--strength {best.strength:g} --seed {seed} -o {named['patch']}",
            f"suture eval patient --patch {named['patch']} --size {size}",
        ],
    )
    paths |= {f"report_{kind}": path for kind, path in report.save(folder).items()}
    print_report(console, report)
    for sample in [s for s in report.line("rude").samples if s.before_label == "rude"][:2]:
        console.say(f"  prompt  {sample.prompt}", "bold")
        console.say(f"  before {sample.before}")
        console.say(f"  after  {sample.after}\n")
    patch.check_base(lm)  # the model is the one it was, bit for bit
    size_kb = paths["patch"].stat().st_size / 1000
    console.say(f"the patch is {size_kb:.1f} kB; after all this the model is, bit for bit, what it was")
    console.say(f"report: {paths['report_html']}   ({time.monotonic() - began:.0f} s)")
    console.say(f"next:   suture show {paths['patch']}")
    console.result(
        {
            "base": report.values("before"),
            "patched": report.values(),
            "chosen": {"rows": region.count, "strength": best.strength},
            "seconds": time.monotonic() - began,
            "paths": {key: str(path) for key, path in paths.items()},
        }
    )
