"""Model Surgery on the bundled model: the paper's own recipe and ours, on the same budget. make bench-surgery

For each edit (tone, jailbreak, attitude both ways) every candidate is measured at every strength on the tune split; the
point that moves its target most within the budget (2 points on facts, arithmetic, benign answers; 5 % perplexity) is then
measured, merged and rounded, on the report split, which no choice has seen.

    paper   probe of the paper (A.1-A.2: final state, mean with the start token, Adam), rows by cosine over all blocks
    ours    probes of what the gate rows read, turned away from texts to keep, and rows by gain over damage; jailbreaks are
            probed at the last token of the request, where the answer is still open

`facts_*`, `arithmetic`, `benign` and `perplexity` of `paper` and `ours` are the worst over their four edits.
"""

import argparse

import torch
from _common import finish, note, table

from suture.data.examples import Texts
from suture.locate.probe import fit_probe
from suture.measure.budget import Budget
from suture.measure.evaluation import evaluate, observe, values
from suture.methods.surgery import surgery
from suture.model.lm import LM
from suture.organisms.suites import behaviour, keep, suite
from suture.patch.patch import Patch
from suture.search import search

KEEP = ("facts_seen", "facts_unseen", "arithmetic", "benign", "perplexity")
EDITS = {  # name -> behaviour, direction, target
    "tone": ("tone", "wanted", "rude"),
    "jailbreak": ("jailbreak", "wanted", "jailbreak"),
    "positive": ("attitude", "wanted", "positive"),
    "negative": ("attitude", "unwanted", "negative"),
}
PAPER = {"shares": (0.012, 0.0465), "strengths": (2.0, 3.0, 4.0, 5.0, 8.0)}  # the paper's share is 0.0465
OURS = {"shares": (0.05, 0.1), "strengths": (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)}  # strengths in mean row norms
RECIPES = {"paper": PAPER, "ours": OURS}
BOTH, FIRST_STRENGTH = {"rows": 0.05}, 2.0  # of the edits that share a model
SPARSE = {"paper": {"rows": 0.012, "strength": 5.0}, "ours": {"rows": 0.0125, "strength": 3.0}}  # of the ablations


def options(recipe: str, name: str) -> dict:
    """How a recipe probes and chooses rows for a behaviour."""
    if recipe == "paper":
        return {"parity": "paper"}
    return {"space": "mlp.in", "pool": "decision" if name == "jailbreak" else "response"}


def candidates(lm, recipe: str, name: str, toward: str) -> dict[float, Patch]:
    """One patch at strength 1 for each share of rows."""
    texts, shares = behaviour(name), RECIPES[recipe]["shares"]
    probe = fit_probe(lm, texts, **options(recipe, name))
    rest = {} if recipe == "paper" else {"keep": keep(), "select": "effect"}
    return {share: surgery(lm, texts, probe=probe, rows=share, toward=toward, **rest) for share in shares}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=200, help="prompts a measure in the report")
    parser.add_argument("--tune", type=int, default=62, help="prompts a measure in the search")
    args = parser.parse_args()
    torch.manual_seed(0)
    lm = LM.load("patient")
    report = {m.name: m for m in suite("report", args.size)}
    tune = {m.name: m for m in suite("tune", args.tune)}
    base_seen = observe(lm, list(report.values()))
    base = values(base_seen, list(report.values()))
    note("measured the base")
    names = ["rude", "rude_floor", "kind", "jailbreak", "positive", "negative", *KEEP, "stories", "benign_wrapped"]
    result = {"base": {n: base[n] for n in names}, "edits": {}, "ablations": {}}
    for recipe in RECIPES:
        figures = dict(result["base"])  # where a recipe finds no point within the budget, nothing is changed
        for edit, (name, toward, target) in EDITS.items():
            aim = tune[target]
            aim = aim if edit != "negative" else type(aim)(**{**vars(aim), "better": "higher"})
            measures = [aim, *(tune[n] for n in KEEP if n != target)]
            measures = [type(m)(**{**vars(m), "role": "keep"}) if m.name in KEEP else m for m in measures]
            made = candidates(lm, recipe, name, toward)
            found = search(lm, made, RECIPES[recipe]["strengths"], measures, target, budget=Budget())
            note(
                f"{recipe}, {edit}: {len(found.points)} points, best {found.best and (found.best.label, found.best.strength)}"
            )
            if found.best is None:
                result["edits"][f"{recipe} {edit}"] = None
                continue
            wanted = [report[n] for n in names]
            chosen = made[found.best.settings["candidate"]] * found.best.strength
            now = evaluate(lm, chosen, wanted, baseline=base_seen, controls=False)
            line = {"rows": found.best.settings["candidate"], "strength": found.best.strength, **now.values()}
            line["interval"] = [now.line(target).score.low, now.line(target).score.high]
            result["edits"][f"{recipe} {edit}"] = line
            figures[target] = line[target]
            if edit == "tone":
                figures["rude_floor"], figures["kind"] = line["rude_floor"], line["kind"]
            for kept in (*KEEP, "stories", "benign_wrapped"):
                worst = max if kept == "perplexity" else min
                figures[kept] = worst(figures[kept], line[kept])
        result[recipe] = figures
    result["ablations"] = ablations(lm, report, base, base_seen)
    result["two_attributes"] = two_attributes(lm, tune, report, base_seen)
    show(result, base)
    finish(result)


def ablations(lm, report, base, base_seen) -> dict[str, dict[str, float]]:
    """The ordering of the paper's Table 9 and the matrices of Table 11, with few rows, where it matters which they are."""
    texts = behaviour("tone")
    paper, ours = (fit_probe(lm, texts, **options(recipe, "tone")) for recipe in RECIPES)
    keeping = {"probe": ours, "keep": keep(), **SPARSE["ours"]}
    runs = {
        f"{recipe}: {label}": {"probe": probe, **SPARSE[recipe], **how}
        for recipe, probe, more in (("paper", paper, {}), ("ours", ours, {"keep": keep()}))
        for label, how in (
            ("real probe, real rows", {**more, "select": "effect"} if more else {}),
            ("real probe, random rows", {**more, "control": "random_rows"}),
            ("random probe, its own rows", {**more, "control": "random_probe"}),
        )
    }
    runs["ours: without turning the direction"] = {**keeping, "keep": None, "select": "effect"}
    for site in ("mlp.gate", "mlp.up", "mlp.down", "attn.v", "attn.o"):
        runs[f"ours: rows of {site} by cosine"] = {**keeping, "site": site}
    wanted = [report["rude"], report["perplexity"], report["facts_seen"]]
    found = {}
    for label, how in runs.items():
        now = evaluate(lm, surgery(lm, texts, **how), wanted, baseline=base_seen, controls=False).values()
        removed = (base["rude"] - now["rude"]) / (base["rude"] - base["rude_floor"])
        found[label] = {**now, "removed": removed}
        note(f"ablation {label}: {removed:.0%}")
    return found


def two_attributes(lm, tune, report, base_seen) -> dict[str, float]:
    """Kind, then positive: the second probe is fitted on the model already edited, its strength chosen there."""

    def make(name: str, kept: Texts, **more) -> Patch:
        return surgery(lm, behaviour(name), select="effect", keep=kept, **options("ours", name), **BOTH, **more)

    kind = make("tone", keep(), strength=FIRST_STRENGTH)
    talk = Texts(example.text for example in behaviour("tone").examples)  # as `surgery` does when given both at once
    with kind.applied(lm):
        second = make("attitude", Texts((*keep(), *talk)))
        measures = [tune["positive"], *(type(m)(**{**vars(m), "role": "keep"}) for m in (tune[n] for n in KEEP))]
        found = search(lm, {"positive": second}, OURS["strengths"], measures, "positive", budget=Budget())
        if found.best is None:
            return {}
        positive = second * found.best.strength
    names = kind.terms.keys() | positive.terms.keys()
    changes = {t: [*kind.terms.get(t, ()), *positive.terms.get(t, ())] for t in names}
    both = Patch.make(lm, changes, method="surgery", settings={})
    wanted = [report[n] for n in ("rude", "rude_floor", "positive", *KEEP)]
    first = evaluate(lm, kind, [report["rude"]], baseline=base_seen, controls=False).values()["rude"]
    now = evaluate(lm, both, wanted, baseline=base_seen, controls=False).values()
    base = {n: float(base_seen[n].values.mean()) for n in ("rude", "rude_floor")}
    excess = base["rude"] - base["rude_floor"]
    kept = (base["rude"] - now["rude"]) / (base["rude"] - first)
    return {
        **now,
        "rude_first_alone": first,
        "strength": found.best.strength,
        "kept": kept,
        "removed": (base["rude"] - now["rude"]) / excess,
    }


def show(result, base) -> None:
    names = [n for n in base if n in result["base"]]
    rows = [[n, *(f"{result[k].get(n, float('nan')):.3f}" for k in ("base", "paper", "ours"))] for n in names]
    table("report split; what must not be harmed is the worst of four edits", ["", "base", "paper", "ours"], rows)
    rows = [
        [label, "none within the budget", "", "", "", ""]
        if not e
        else [
            label,
            f"{e['rows']:g}",
            f"{e['strength']:g}",
            *(f"{e[n]:.3f}" for n in (EDITS[label.split()[1]][2], "facts_seen", "perplexity")),
        ]
        for label, e in result["edits"].items()
    ]
    table("the chosen points", ["edit", "rows", "strength", "target", "facts_seen", "perplexity"], rows)
    rows = [
        [k, f"{v['rude']:.3f}", f"{v['removed']:.0%}", f"{v['perplexity']:.3f}", f"{v['facts_seen']:.3f}"]
        for k, v in result["ablations"].items()
    ]
    table("excess of rudeness removed", ["", "rude", "removed", "perplexity", "facts_seen"], rows)
    print("\ntwo attributes:", {k: round(v, 3) for k, v in result.get("two_attributes", {}).items()})


if __name__ == "__main__":
    main()
