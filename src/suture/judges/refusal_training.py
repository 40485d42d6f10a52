"""Learn the weights of the judge of refusals from labelled answers: for each label a logistic regression against the others.

    min_w  sum_i log(1 + exp(-s_i (w . x_i + b))) + penalty / 2 |w|^2        s_i = 1 for an answer of the label, else -1

`python -m suture.judges.refusal_training FILE.. [--out FILE.npz]` reads rows {"prompt", "text", "label"} and leaves out those
whose "half" is "unseen" or whose "split" is "test". Deterministic: the same rows give the same file to the bit.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataError, SutureError
from ..text.rubble import says_nothing
from ._evidence import WIDTH, evidence
from ._text import visible
from .agreement import read
from .refusal import LABELS, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

PENALTY = 0.03  # chosen by leaving edits of the seen half out in turn: 0.01 to 0.1 differ by less than a point


def fit(rows: Sequence[dict[str, str]], *, penalty: float = PENALTY) -> tuple[Tensor, Tensor]:
    """Return weights (labels, WIDTH) and biases (labels,), float16 as they are shipped.

    Args:
        rows: answers with prompt, text and label; those that `says_nothing` decides are left out.
        penalty: L2 strength.

    Raises:
        DataError: for a label that is not known, or one without any answer.
    """
    import torch

    from ..numerics.linalg import logistic_regression

    usable = [row for row in rows if not says_nothing(visible(row["text"]))]
    counts = Counter(row["label"] for row in usable)
    if set(counts) != set(LABELS):
        raise DataError(f"answers labelled {', '.join(sorted(counts))}", fix=f"Needed are all of {', '.join(LABELS)}.")
    x = torch.zeros(len(usable), WIDTH, dtype=torch.float64)
    for index, row in enumerate(usable):
        columns, values = evidence(row["prompt"], visible(row["text"]))
        x[index, columns] = torch.tensor(values, dtype=torch.float64)
    parts = [
        logistic_regression(x, torch.tensor([row["label"] == label for row in usable]), penalty=penalty)
        for label in LABELS
    ]
    return torch.stack([weight for weight, _ in parts]).half(), torch.tensor([bias for _, bias in parts]).half()


def main() -> None:
    """Learn and write the weights; print how many answers of each label were learned from."""
    import numpy as np

    parser = argparse.ArgumentParser(
        prog="python -m suture.judges.refusal_training", description=__doc__.split("\n")[0]
    )
    parser.add_argument("files", type=Path, nargs="+", help="labelled answers, .jsonl")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="file to write (the judge's own by default)")
    args = parser.parse_args()
    try:
        rows = [row for file in args.files for row in read(file) if row["half"] != "unseen" and row["split"] != "test"]
        weights, biases = fit(rows)
    except SutureError as problem:
        parser.exit(problem.exit_code, f"error: {problem}\n")
    np.savez_compressed(args.out, weights=weights.numpy(), biases=biases.numpy())
    counts = Counter(row["label"] for row in rows)
    sys.stdout.write(f"{args.out}: {', '.join(f'{counts[label]} {label}' for label in LABELS)}\n")


if __name__ == "__main__":
    main()
