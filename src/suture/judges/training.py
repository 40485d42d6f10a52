"""Train a judge of our own from labelled answers, and test it on others: TF-IDF of words and calibrated logistic regressions.

    x = tf * idf / |tf * idf|,  idf = ln((1 + n) / (1 + df)) + 1      x: (words,), n texts, df: (words,) texts with the word
    score(x) = mean_i 1 / (1 + exp(a_i (w_i . x + b_i) + c_i))        w: (folds, words); a_i, c_i: fitted on the fold left out
Source of the calibration: Platt 1999, "Probabilistic Outputs for Support Vector Machines", eq. 1.

`python -m suture.judges.training --data bundled:harden --out FOLDER --test tests/judges/labelled/refusal.jsonl` writes what
`--judge linear:FOLDER` reads. Data: anything that `Behaviour.load` reads, or a file of SafeEdit with its safe and unsafe answers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.examples import Behaviour, Labelled
from ..data.instances import load
from ..errors import DataError, SutureError
from ..io.files import built
from ._text import visible
from .agreement import measure, read
from .linear import Linear

if TYPE_CHECKING:
    from torch import Tensor

TOKEN = r"(?u)\b\w+(?:'\w+)?\b"  # "can't" is one word, and says more than "can" and "t"
LEAST = 2  # texts a word must stand in
FOLDS = 5
PENALTY = 0.1  # of the logistic regressions; of the calibration it is next to nothing
LABELS = ("unsafe", "safe")
SYNONYMS = {"complied": "unsafe", "toxic": "unsafe", "refused": "safe", "clean": "safe"}  # in labelled answers


def train(behaviour: Behaviour, folder: str | Path, *, labels: tuple[str, str] = LABELS) -> Linear:
    """Fit a judge, write it to a folder and return it.

    Args:
        behaviour: labelled texts; 1 is given the first label.
        folder: where to write; made if it is not there.
        labels: the unwanted one and the other.

    Raises:
        DataError: when the texts have no words in common.
    """
    import numpy as np

    texts, y = [example.text for example in behaviour.examples], behaviour.labels
    columns, idf = _vocabulary(texts)
    x = _features(texts, columns, idf)  # (texts, words)
    fitted = [_fold(x, y, fold) for fold in range(FOLDS)]
    place = Path(folder)
    weights, biases, slopes, offsets = zip(*fitted, strict=True)
    content = {"vocabulary": columns, "token_pattern": TOKEN, "labels": list(labels), "examples": behaviour.summary()}
    with built(place, over=True) as new:
        np.savez(
            new / "judge.npz",
            idf=idf.numpy(),
            coef=np.stack([weight.numpy() for weight in weights]),
            intercept=np.array(biases),
            calib_ab=np.stack([slopes, offsets], axis=1),
        )
        (new / "vocab.json").write_bytes(json.dumps(content).encode())
    return Linear(place)


def answers(source: str) -> Behaviour:
    """Return labelled answers: those of a SafeEdit file (`instances:FILE`), or any that `Behaviour.load` reads."""
    if not source.startswith("instances:"):
        return Behaviour.load(source)
    pairs = [instance.contrast for instance in load(source.removeprefix("instances:"))]
    examples = [
        Labelled(text, label, pair.prompt) for pair in pairs for label, text in ((0, pair.safe), (1, pair.unsafe))
    ]
    return Behaviour(source, tuple(examples))


def _vocabulary(texts: Sequence[str]) -> tuple[dict[str, int], Tensor]:
    """Return the words with their columns, and their idf: (words,) float64."""
    import torch

    counts = Counter(word for text in texts for word in set(re.findall(TOKEN, visible(text).lower())))
    words = sorted(word for word, count in counts.items() if count >= LEAST)
    if not words:
        raise DataError("these texts have no words in common", fix="Give more texts.")
    df = torch.tensor([counts[word] for word in words], dtype=torch.float64)
    return {word: i for i, word in enumerate(words)}, ((1 + len(texts)) / (1 + df)).log() + 1


def _features(texts: Sequence[str], columns: dict[str, int], idf: Tensor) -> Tensor:
    """Return the features of texts: (texts, words) float64, rows of length 1."""
    import torch

    x = torch.zeros(len(texts), len(columns), dtype=torch.float64)
    for row, text in enumerate(texts):
        for word, count in Counter(re.findall(TOKEN, visible(text).lower())).items():
            if word in columns:
                x[row, columns[word]] = count
    x *= idf
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _fold(x: Tensor, y: Sequence[int], fold: int) -> tuple[Tensor, float, float, float]:
    """Return weight, bias and calibration (a, c) of the model that does not see every FOLDS-th text from `fold` on."""
    import torch

    from ..numerics.linalg import logistic_regression

    labels = torch.tensor(y, dtype=torch.float64)
    held_out = torch.arange(len(y)) % FOLDS == fold
    fitted_on = ~held_out
    if labels[held_out].unique().numel() < 2:  # too few texts to hold any out
        held_out = fitted_on = torch.ones_like(held_out)
    weight, bias = logistic_regression(x[fitted_on], labels[fitted_on], penalty=PENALTY)
    margin = x[held_out] @ weight + bias
    slope, offset = logistic_regression(margin[:, None], labels[held_out], penalty=1e-2)
    return weight, bias, -float(slope), -offset


def main() -> None:
    """Train, test, and print the agreement of each split, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m suture.judges.training", description="Train a judge of answers.")
    parser.add_argument("--data", required=True, help="labelled answers: as --data of suture, or instances:FILE")
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--test", type=Path, help="answers labelled by hand, .jsonl with prompt, text and label")
    args = parser.parse_args()
    try:
        judge = train(answers(args.data), args.out)
        agreements = against_people(judge, args.test) if args.test else {}
    except SutureError as problem:
        parser.exit(problem.exit_code, f"error: {problem}\n")
    for split, line in agreements.items():
        sys.stdout.write(
            f"{split:6} {line['texts']:4d} texts  agreement {line['raw']:.3f}  kappa {line['kappa']:.3f}\n"
        )
    sys.stdout.write(json.dumps({"judge": str(args.out), "test": agreements}, sort_keys=True) + "\n")


def against_people(judge: Linear, path: Path) -> dict[str, dict[str, float]]:
    """Return size, agreement and kappa for each split of answers labelled by hand; only those with a known label count.

    "refused" counts as safe and "complied" as unsafe, which is right for harmful requests alone.
    """
    rows = [{**row, "label": SYNONYMS.get(row["label"], row["label"])} for row in read(path)]
    usable = [row for row in rows if row["label"] in judge.labels]
    if not usable:
        raise DataError(f"{path} has no answers labelled {' or '.join(judge.labels)}", fix="Check the file.")
    figures = {}
    for split in (*sorted({row["split"] for row in usable}), "all"):
        agreement = measure(judge, [row for row in usable if split in ("all", row["split"])])
        figures[split] = {"texts": agreement.count, "raw": agreement.raw.value or 0.0, "kappa": agreement.kappa or 0.0}
    return figures


if __name__ == "__main__":
    main()
