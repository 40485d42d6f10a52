"""Behaviour edits of a real model, made by the commands a user types, judged on public texts: make real

Each row (`--only ROW`) runs its command, which finds its settings by measuring the model at hand, and then measures base, edited
model, a random patch of the same size and rows, and what a line before the prompt does, on texts that no choice has seen:

detox        openings of RealToxicityPrompts rated over 0.5, unscreened: toxic continuations, greedy and sampled, by our judge,
             a list of bad words, and an independent linear judge
attitude_*   openings rated under 0.1: positive (negative) continuations by our judge and by VADER's words
harden       requests of AdvBench, HarmBench and JailbreakBench refused; safe ones of XSTest and plain harmless ones, too
together     the patches of detox and attitude_positive in one model, by the texts of both

and of every patch: perplexity of wikitext in 40 windows of 512 tokens, all of ARC-Easy by likelihood, the loss per token of
GSM8K's solutions, texts that end in loops or say what is said to other prompts. All is kept in a journal: given again, it goes
on. `--size N` takes the first N prompts and questions of each set. The last line is JSON.
"""

import argparse
import functools
import json
import operator
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _common import entries, note, table
from _real_suite import Behaviour, Share, attitude, capability, harmful, harmless, safe, toxicity

from suture import LM, Patch

ROOT = Path(__file__).resolve().parents[1]
SUTURE = Path(sys.executable).with_name("suture")
COLUMNS = ["base", "edited", "random", "prompt"]


@dataclass(frozen=True)
class Row:
    """A command, the behaviour it is to change, and what it must leave beside what every edit must.

    Attributes:
        command: what is typed, without the model.
        behaviour: makes the texts and judges.
        beside: others, by name, measured on base and edited.
    """

    command: tuple[str, ...]
    behaviour: Callable[[], Behaviour]
    beside: dict[str, Callable[[], Behaviour]] = field(default_factory=dict)


ROWS = {
    "detox": Row(("detox",), toxicity),
    "attitude_positive": Row(("attitude", "--toward", "positive"), lambda: attitude("positive")),
    "attitude_negative": Row(("attitude", "--toward", "negative"), lambda: attitude("negative")),
    "harden": Row(("harden",), harmful, {"xstest": safe, "harmless": harmless}),
}
TOGETHER, PARTS = "together", ("detox", "attitude_positive")  # two attributes in one model


class Journal:
    """What was measured, a line each, by a key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = {json.dumps(entry["key"]): entry["value"] for entry in entries(path)}

    def get(self, key: list[Any], make: Callable[[], Any]) -> Any:
        """Return what is there, or make it and keep it."""
        name = json.dumps(key)
        if name not in self.lines:
            note(f"{' '.join(map(str, key))} ...")
            self.lines[name] = make()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "value": self.lines[name]}) + "\n")
        return self.lines[name]


class Real:
    """Makes and measures the rows for one model."""

    def __init__(self, model: str, place: Path, size: int | None) -> None:
        self.model, self.place, self.size = model, place, size
        place.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(place / "journal.jsonl")
        self.lm = LM.load(model)

    def made(self, name: str) -> dict[str, Any]:
        """Run a row's command and what `plan` says of it; returns seconds, memory and where the patch is."""
        return self.journal.get([self.model, name, "made"], lambda: self._make(name))

    def row(self, name: str) -> dict[str, Any]:
        """Return the figures of a row."""
        row, made, lm = ROWS[name], self.made(name), self.lm
        patch = Patch.load(made["patch"])
        random = patch.randomised(lm)
        behaviour = row.behaviour()
        seen = {
            "base": self._observed(name, "base", behaviour),
            "prompt": self._observed(name, "prompt", behaviour, prefixed=True),
            "edited": self._observed(name, "edited", behaviour, patch),
            "random": self._observed(name, "random", behaviour, random),
        }
        kept = {
            "base": self._kept("base", None, None),
            "edited": self._kept(name, "edited", patch),
        }
        by = [self._share(measure, seen) for measure in seen["base"]["values"]]
        decisive = next(one for one in by if one["measure"] == behaviour.decisive)
        fluent = {
            f"{fault}_change": max(
                sum(seen["edited"][fault][how]) / len(seen["edited"][fault][how])
                - sum(seen["base"][fault][how]) / len(seen["base"][fault][how])
                for how in behaviour.manners
            )
            for fault in ("loops", "echoes")
        }
        arc = Share.of(kept["base"]["arc_easy"], kept["edited"]["arc_easy"])
        result = {
            **{key: decisive[key] for key in (*COLUMNS, "n", "low", "high")},
            "by": by,
            "perplexity_ratio": kept["edited"]["perplexity"] / kept["base"]["perplexity"],
            "arc_easy_change": arc.edited - arc.base,
            "solution_loss_ratio": kept["edited"]["solution_loss"] / kept["base"]["solution_loss"],
            **fluent,
            **{
                key: made[key]
                for key in ("seconds", "cpu_seconds", "threads", "peak_mb", "plan", "method", "own_report")
            },
        }
        for beside, make in row.beside.items():
            other = make()
            pair = [self._observed(beside, "base", other), self._observed(f"{name} {beside}", "edited", other, patch)]
            share = Share.of(*(next(iter(seen["values"].values())) for seen in pair))
            result[f"{beside}_change"], result[f"{beside}_interval"] = share.edited - share.base, share.change
        return result

    def together(self) -> dict[str, Any]:
        """Return the figures of the patches of PARTS in one model, beside those of each alone."""
        patch = functools.reduce(operator.add, (Patch.load(self.made(name)["patch"]) for name in PARTS))
        by = []
        for name in PARTS:
            behaviour = ROWS[name].behaviour()
            seen = {
                "base": self._observed(name, "base", behaviour),
                "alone": self._observed(name, "edited", behaviour, Patch.load(self.made(name)["patch"])),
                "together": self._observed(TOGETHER, name, behaviour, patch),
            }
            for measure, base in seen["base"]["values"].items():
                share = Share.of(base, seen["together"]["values"][measure])
                means = {which: sum(one["values"][measure]) / len(base) for which, one in seen.items()}
                by.append({"measure": f"{name}: {measure}", **means, "n": len(base),
                           "low": share.change[0], "high": share.change[1]})  # fmt: skip
        base, kept = self._kept("base", None, None), self._kept(TOGETHER, "edited", patch)
        arc = Share.of(base["arc_easy"], kept["arc_easy"])
        return {"by": by, "perplexity_ratio": kept["perplexity"] / base["perplexity"],
                "arc_easy_change": arc.edited - arc.base,
                "solution_loss_ratio": kept["solution_loss"] / base["solution_loss"]}  # fmt: skip

    def _observed(
        self, name: str, which: str, behaviour: Behaviour, patch: Patch | None = None, *, prefixed: bool = False
    ) -> dict[str, Any]:
        def measure() -> dict[str, Any]:
            if patch is None:
                return behaviour.observed(self.lm, self.size, prefixed=prefixed)
            with patch.used(self.lm):
                return behaviour.observed(self.lm, self.size)

        return self.journal.get([self.model, name, which, self.size], measure)

    def _kept(self, name: str, which: str | None, patch: Patch | None) -> dict[str, Any]:
        def measure() -> dict[str, Any]:
            if patch is None:
                return capability(self.lm, self.size)
            with patch.used(self.lm):
                return capability(self.lm, self.size)

        return self.journal.get([self.model, name, which, "capability", self.size], measure)

    def _share(self, measure: str, seen: dict[str, Any]) -> dict[str, Any]:
        base, edited = seen["base"]["values"][measure], seen["edited"]["values"][measure]
        share = Share.of(base, edited)
        means = {which: sum(seen[which]["values"][measure]) / len(base) for which in COLUMNS}
        return {"measure": measure, **means, "n": len(base), "low": share.change[0], "high": share.change[1],
                "fewer_low": share.relative[0], "fewer_high": share.relative[1]}  # fmt: skip

    def _make(self, name: str) -> dict[str, Any]:
        folder = self.place / name
        verb, *options = ROWS[name].command
        planned = self._planned([verb, self.model, *options])
        begun = folder.exists()
        command = ["resume", str(folder)] if begun else [verb, self.model, *options, "-o", str(folder)]
        seconds, usage, code = self._timed(command, self.place / f"{name}.log")
        if code not in (0, 4) or not (folder / "patch.safetensors").exists():
            raise SystemExit(f"suture {' '.join(command)} ended with {code}; see {self.place / name}.log")
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        rows = {row["name"]: row["score"] for row in report["lines"] if row["role"] in ("target", "keep")}
        return {
            "patch": str(folder / "patch.safetensors"), "method": report["method"], "plan": planned,
            "seconds": round(seconds, 1), "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
            "peak_mb": round(usage.ru_maxrss / 1024), "resumed": begun,
            "own_report": {key: [score["before"], score["after"]] for key, score in rows.items()},
        }  # fmt: skip

    def _planned(self, words: list[str]) -> dict[str, Any]:
        done = subprocess.run([str(SUTURE), "plan", *words, "--json"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def _timed(self, words: list[str], log: Path) -> tuple[float, Any, int]:
        with log.open("a", encoding="utf-8") as file:
            start = time.monotonic()
            process = subprocess.Popen([str(SUTURE), *words], stdout=file, stderr=file)
            _, status, usage = os.wait4(process.pid, 0)
        return time.monotonic() - start, usage, os.waitstatus_to_exitcode(status)


def show(results: dict[str, dict[str, Any]]) -> None:
    """Print the tables."""
    single = {name: result for name, result in results.items() if name != TOGETHER}
    if single:
        done = "What the edit does, on texts that no choice has seen"
        table(done, ["", *COLUMNS, "n", "change, points"], [
            line for name, result in single.items() for line in _moves(result, COLUMNS, f"{name}: ")
        ])  # fmt: skip
        rows = [
            [name, result["method"], f"{result['perplexity_ratio']:.3f}", f"{100 * result['arc_easy_change']:+.1f}",
             f"{result['solution_loss_ratio']:.3f}", f"{100 * result['loops_change']:+.1f}",
             f"{100 * result['echoes_change']:+.1f}", f"{result['seconds']:.0f}",
             f"{result['cpu_seconds']:.0f}", str(result["threads"]), str(result["peak_mb"])]
            for name, result in single.items()
        ]  # fmt: skip
        costs = [
            "method",
            "perplexity",
            "ARC, points",
            "GSM8K loss",
            "loops, points",
            "echoes, points",
            "s",
            "cpu s",
            "threads",
            "MB",
        ]
        table("What it costs", ["", *costs], rows)
    if TOGETHER in results:
        both, columns = results[TOGETHER], ["base", "alone", "together"]
        table("Two attributes in one model", ["", *columns, "n", "change, points"], _moves(both, columns))
        print(f"perplexity {both['perplexity_ratio']:.3f}, ARC {100 * both['arc_easy_change']:+.1f} points, "
              f"GSM8K loss {both['solution_loss_ratio']:.3f}")  # fmt: skip


def _moves(result: dict[str, Any], columns: list[str], before: str = "") -> list[list[str]]:
    """Return a line for each measure of a result."""
    return [
        [before + one["measure"], *(f"{one[column]:.1%}" for column in columns), f"{one['n']}",
         f"{100 * one['low']:+.1f} to {100 * one['high']:+.1f}"]
        for one in result["by"]
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*ROWS, TOGETHER], default=[*ROWS, TOGETHER], help="which rows")
    parser.add_argument("--model", default="smollm2", help="a folder, or a name that `suture get` knows")
    parser.add_argument("--size", type=int, help="prompts and questions of each set; all by default")
    parser.add_argument("--place", type=Path, default=ROOT / "runs" / "real", help="the journal and the runs")
    parser.add_argument("--afresh", action="store_true", help="forget what the journal has")
    given = parser.parse_args()
    if given.afresh:
        shutil.rmtree(given.place, ignore_errors=True)
    real = Real(given.model, given.place, given.size)
    results = {name: real.together() if name == TOGETHER else real.row(name) for name in given.only}
    show(results)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
