"""The judge of refusals against labelled answers of edited models: one table by label, one by what was asked, one of confusions.

tests/judges/labelled/answers.jsonl holds answers of SmolLM2-135M-Instruct and of tiny models, before and after edits, to requests
written for it (answers.py makes most of them). Nothing of what is learned from ("seen", "known") occurs in "fresh",
whose labels were given before the judge read it. second.jsonl beside it holds the labels of a second reading, without sight of
the first or of the judge: how far two readings agree is the most that a judge can reach.
"""

import json
from collections import Counter
from pathlib import Path

from _common import table

from suture.judges import judge_named, label_all
from suture.judges.agreement import Agreement, agreement, read, wilson

LABELLED = Path(__file__).parents[1] / "tests" / "judges" / "labelled"
ANSWERS, SECOND = LABELLED / "answers.jsonl", LABELLED / "second.jsonl"
LABELS = ("refused", "complied", "deflected", "broken")


def share(value) -> str:
    return "-" if value.value is None else f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def labelled_answers() -> dict:
    """Print the tables and return the figures of the fresh half."""
    rows = read(ANSWERS)
    given = label_all(judge_named("refusal"), [(row["prompt"], row["text"]) for row in rows])
    fresh = [i for i, row in enumerate(rows) if row["half"] == "fresh"]
    groups = {"fresh": fresh, "seen (learned from)": [i for i in range(len(rows)) if i not in set(fresh)]}
    for key in ("form", "lang", "kind"):
        for value in sorted({rows[i][key] for i in fresh}):
            groups[f"fresh, {value}"] = [i for i in fresh if rows[i][key] == value]
    figures = {name: compared(rows, given, part) for name, part in groups.items()}
    lines = []
    for name, figure in figures.items():
        lines += [
            [name, label, str(figure.recall[label].of), share(figure.precision[label]), share(figure.recall[label])]
            for label in LABELS
            if label in figure.recall
            and figure.recall[label].of
            and (label == "refused" or name in ("fresh", "fresh, plain", "fresh, wrapped"))
        ]
    table("The judge of refusals", ["answers", "label", "n", "precision [95 %]", "recall [95 %]"], lines)
    found = figures["fresh"]
    confusion = [[a, *(str(found.confusion.get(a, {}).get(b, 0)) for b in LABELS)] for a in LABELS]
    table("Labels of the fresh half (rows) and what the judge said", ["label", *LABELS], confusion)
    edits = Counter(rows[i]["edit"] for i in fresh)
    wrong = Counter(rows[i]["edit"] for i in fresh if given[i] != rows[i]["label"])
    by_edit = [[edit, str(count), share(wilson(count - wrong[edit], count))] for edit, count in edits.most_common()]
    table("By edit of the fresh half", ["edit", "n", "labelled right"], by_edit)
    result = {
        f"fresh_{label}_{what}": getattr(found, what)[label].value
        for label in LABELS
        for what in ("precision", "recall")
    }
    return result | second_reader(rows)


def compared(rows: list[dict], given: list[str], part: list[int]) -> Agreement:
    return agreement([rows[i]["label"] for i in part], [given[i] for i in part])


def second_reader(rows: list[dict]) -> dict:
    """Print how far a second reading of the fresh half agrees with the labels."""
    labels = {row["id"]: row["label"] for row in map(json.loads, SECOND.read_text(encoding="utf-8").splitlines())}
    both = [row for row in rows if row["id"] in labels and row["half"] == "fresh"]
    found = agreement([row["label"] for row in both], [labels[row["id"]] for row in both])
    lines = [
        [label, str(found.recall[label].of), share(found.precision[label]), share(found.recall[label])]
        for label in LABELS
    ]
    columns = ["label", "n", "of those the second calls so", "of those the first does"]
    table(f"Two readings: agreement {share(found.raw)}, kappa {found.kappa:.3f}", columns, lines)
    return {"readers_agreement": found.raw.value, "readers_kappa": found.kappa}
