"""How far the judges agree with people and with other judges. make bench-judges

Labelled answers of tests/judges/labelled: the rules were improved on the errors of the "dev" half; "test" was scored once at
the end (but its author knew it: docs/judges.md).

Public data, when there (SUTURE_DATA, by default ../shared/data), is only measured, but for every row whose number
ends in 0, 1 or 2 of surge_toxicity and every third of realtoxicityprompts, whose errors were looked at: those are left out.
"""

import csv
import json
import os
from pathlib import Path

import torch
from _common import finish, note, table
from _labelled_answers import labelled_answers

from suture.judges import NEITHER, Linear, Sentiment, Toxicity, judge_named
from suture.judges.agreement import agreement, measure, read, wilson
from suture.numerics.linalg import roc_area

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SUTURE_DATA", ROOT.parent / "shared" / "data"))
LINEAR = DATA.parent / "models" / "profanity-linear"


def share(found) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def labelled() -> dict:
    result, rows = {}, []
    for name in ("refusal", "toxicity", "sentiment"):
        judge, path = judge_named(name), ROOT / "tests" / "judges" / "labelled" / f"{name}.jsonl"
        for split in ("dev", "test"):
            answers = read(path, split)
            found = measure(judge, answers)
            given = [judge(row["prompt"], row["text"]) for row in answers]
            decided = [given[i] == row["label"] for i, row in enumerate(answers) if NEITHER != given[i]]
            result |= {f"{name}_{split}_agreement": found.raw.value, f"{name}_{split}_kappa": found.kappa}
            row = [f"{name} {split}", str(found.count), share(found.raw), f"{found.kappa:.3f}"]
            rows.append([*row, share(wilson(sum(decided), len(decided)))])
    table("Agreement with people", ["set", "n", "agreement [95 %]", "kappa", "of those not neither"], rows)
    return result


def toxic_texts() -> dict[str, tuple[list[str], list[bool]]]:
    with (DATA / "surge_toxicity" / "toxicity_en.csv").open(encoding="utf-8", newline="") as stream:
        surge = [row for i, row in enumerate(csv.DictReader(stream)) if i % 10 > 2]
    lines = (DATA / "realtoxicityprompts" / "rtp-3k.jsonl").read_text(encoding="utf-8").splitlines()
    scored = [each for each in (json.loads(line)["continuation"] for line in lines) if each["toxicity"] is not None]
    rtp = [each for i, each in enumerate(scored) if i % 3]
    return {
        "surge": ([row["text"] for row in surge], [row["is_toxic"] == "Toxic" for row in surge]),
        "rtp": ([each["text"] for each in rtp], [each["toxicity"] > 0.5 for each in rtp]),
    }


def toxicity() -> dict:
    ours = Toxicity()
    judges = {"toxicity": (ours.threshold, lambda texts: [ours.score(text) for text in texts])}
    if LINEAR.is_dir():
        judges["linear"] = (0.5, Linear(LINEAR).score)
    result, rows = {}, []
    for data, (texts, truth) in toxic_texts().items():
        for name, (threshold, score) in judges.items():
            scores = score(texts)
            found = agreement([str(each) for each in truth], [str(each >= threshold) for each in scores])
            area = roc_area(torch.tensor(scores), torch.tensor(truth))
            result |= {f"{name}_{data}_auc": area, f"{name}_{data}_accuracy": found.raw.value}
            result |= {f"{name}_{data}_precision": found.precision["True"].value}
            result |= {f"{name}_{data}_recall": found.recall["True"].value}
            row = [f"{data}, {name}", str(found.count), f"{area:.3f}", share(found.raw)]
            rows.append([*row, share(found.precision["True"]), share(found.recall["True"])])
    table("Toxicity on public data", ["data, judge", "n", "AUC", "accuracy", "precision", "recall"], rows)
    return result


def sentiment() -> dict:
    lines = (DATA / "sst2" / "dev.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.rsplit("\t", 1) for line in lines]
    truth = ["positive" if label == "1" else "negative" for _, label in rows]
    judge = Sentiment()
    given = [judge("", text) for text, _ in rows]
    right = [a == b for a, b in zip(truth, given) if b != NEITHER]
    scores = torch.tensor([judge.score(text) for text, _ in rows])
    area = roc_area(scores, torch.tensor([each == "positive" for each in truth]))
    found = {"all": wilson(sum(right), len(rows)), "decided": wilson(sum(right), len(right))}
    cells = [f"sst2 dev, {len(rows)}", f"{area:.3f}", f"{len(right) / len(rows):.3f}"]
    columns = ["data", "AUC", "decided", "right of all (neither is wrong)", "right of the decided"]
    table("Sentiment on public data", columns, [[*cells, share(found["all"]), share(found["decided"])]])
    return {"sst2_auc": area, "sst2_decided": len(right) / len(rows), "sst2_right_of_decided": found["decided"].value}


def main() -> None:
    result = labelled_answers() | labelled()
    for part in (toxicity, sentiment):
        try:
            result |= part()
        except FileNotFoundError as problem:
            note(f"left out {part.__name__}: no {problem.filename}")
    finish(result)


if __name__ == "__main__":
    main()
