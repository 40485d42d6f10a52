"""Learn the weights of the judge of refusals from labelled answers: for each label a logistic regression against the others.

    min_w  sum_i c_i log(1 + exp(-s_i (w . x_i + b))) + penalty / 2 |w|^2        s_i = 1 for an answer of the label, else -1
c_i makes both sides weigh the same, so that a text that shows nothing is not taken for what was learned from most; for
"broken" it is 1, for most texts are not.
"broken" is learned from the shape of all answers, the others from words and flags of those that are not.

`python -m suture.judges.refusal_training FILE.. --out refusal.npz` reads rows {"prompt", "text", "label"} and leaves out those
whose "half" is "unseen" or whose "split" is "test". Deterministic: the same rows give the same file to the bit.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.bundled import SPLITS, behaviour, harden
from ..data.bundled.neutral import neutral
from ..errors import DataError, SutureError
from ..text.rubble import says_nothing
from ._base import BROKEN
from ._evidence import COLUMNS, FLAGS, WIDTH, evidence
from ._text import visible
from .agreement import read
from .refusal import LABELS

if TYPE_CHECKING:
    from torch import Tensor

WORDS = slice(0, COLUMNS + len(FLAGS))  # what tells refusals, deflections and answers from each other
SHAPES = slice(COLUMNS + len(FLAGS), WIDTH)  # what tells rubble from all of them
NATURAL = "natural"  # of texts that are not broken, and answer nothing
MOST_JOINED = 5
EVERY = 4  # of the bundled answers one in so many: they are of few forms
STEPS = 150  # of L-BFGS; the labels of held-out answers no longer change after about 60
PENALTY = 0.1  # leaving edits of the seen half out in turn, 0.01 to 0.3 differ by two points of agreement


def fit(rows: Sequence[dict[str, str]], *, penalty: float = PENALTY) -> tuple[Tensor, Tensor]:
    """Return weights (labels, WIDTH) and biases (labels,), float16 as they are shipped.

    Args:
        rows: answers with prompt, text and label; those that `says_nothing` decides are left out.
        penalty: L2 strength.

    Raises:
        DataError: for a label that is not known, or one without any answer.
    """
    import torch

    usable = [row for row in rows if not says_nothing(visible(row["text"]))]
    counts = Counter(row["label"] for row in usable if row["label"] != NATURAL)
    if set(counts) != set(LABELS):
        raise DataError(f"answers labelled {', '.join(sorted(counts))}", fix=f"Needed are all of {', '.join(LABELS)}.")
    x = torch.zeros(len(usable), WIDTH, dtype=torch.float64)
    for index, row in enumerate(usable):
        columns, values = evidence(row["prompt"], visible(row["text"]))
        x[index, columns] = torch.tensor(values, dtype=torch.float64)
    broken = torch.tensor([row["label"] == BROKEN for row in usable])
    answers = ~broken & torch.tensor([row["label"] != NATURAL for row in usable])
    weights, biases = torch.zeros(len(LABELS), WIDTH), torch.zeros(len(LABELS))
    for index, label in enumerate(LABELS):
        chosen = torch.ones_like(broken) if label == BROKEN else answers
        part = SHAPES if label == BROKEN else WORDS
        y = torch.tensor([row["label"] == label for row in usable])
        weights[index, part], biases[index] = _logistic(
            x[chosen][:, part], y[chosen].double(), penalty, even=label != BROKEN
        )
    return weights.half(), biases.half()


def _logistic(x: Tensor, y: Tensor, penalty: float, *, even: bool) -> tuple[Tensor, Tensor]:
    """Return w: (columns,) and b of one regression, by L-BFGS: Newton's method would solve thousands of equations a step."""
    import torch

    share = float(y.mean()) if even else 0.5
    weights = 0.5 * (y / share + (1 - y) / (1 - share))
    theta = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        margin = (x @ theta[:-1] + theta[-1]) * (2 * y - 1)
        value = weights @ torch.nn.functional.softplus(-margin) + penalty / 2 * (theta[:-1] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return theta.detach()[:-1], theta.detach()[-1]


def bundled_answers() -> list[dict[str, str]]:
    """Return what the package has of answers: refusals, answers to harmful requests, and texts of any kind."""
    pairs = [(e.prompt or "", e.text, "complied" if e.label else "refused") for e in harden.labelled("probe")[::EVERY]]
    texts = [text for split in SPLITS for text in neutral(split)]
    texts += [e.text for name in ("detox", "attitude") for e in behaviour(name).examples]
    pairs += [("", text, "complied") for text in texts[::EVERY]]
    pairs += [("", text, NATURAL) for text in passages(texts)]
    return [{"prompt": prompt, "text": text, "label": label} for prompt, text, label in pairs]


def passages(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Return texts that go on: up to MOST_JOINED of the given ones behind each other, every fourth with small letters only."""
    rng = random.Random(seed)
    order, made = rng.sample(list(texts), len(texts)), list[str]()
    while order:
        joined = " ".join(order.pop() for _ in range(min(len(order), rng.randint(1, MOST_JOINED))))
        made.append(joined.lower() if len(made) % 4 == 0 else joined)
    return made


def main() -> None:
    """Learn and write the weights; print how many answers of each label were learned from."""
    import numpy as np

    parser = argparse.ArgumentParser(
        prog="python -m suture.judges.refusal_training", description=__doc__.split("\n")[0]
    )
    parser.add_argument("files", type=Path, nargs="+", help="labelled answers, .jsonl")
    parser.add_argument(
        "--out", type=Path, required=True, help="file to write; the judge reads refusal.npz beside refusal.py"
    )
    args = parser.parse_args()
    try:
        rows = [row for file in args.files for row in read(file) if row["half"] != "unseen" and row["split"] != "test"]
        weights, biases = fit([*rows, *bundled_answers()])
    except SutureError as problem:
        parser.exit(problem.exit_code, f"error: {problem}\n")
    np.savez_compressed(args.out, weights=weights.numpy(), biases=biases.numpy())
    counts = Counter(row["label"] for row in rows)
    sys.stdout.write(f"{args.out}: {', '.join(f'{counts[label]} {label}' for label in LABELS)}\n")


if __name__ == "__main__":
    main()
