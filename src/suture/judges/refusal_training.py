"""Learn the weights of the judge of refusals from labelled answers: for each label a logistic regression against the others.

    min_w  sum_i c_i log(1 + exp(-s_i (w . x_i + b))) + penalty / 2 |w|^2        s_i = 1 for an answer of the label, else -1
c_i makes both sides weigh the same, so that a text that shows nothing is not taken for what was learned from most; for
"broken" it is 1, for most texts are not.
"broken" is learned from all answers, and from texts with their words thrown about, without their frame; "refused" from them too,
without their shape; the other two from those that are not broken, without shape and order. What was made of a labelled answer
weighs less: c_i times MADE. Weights are rounded to multiples of GRAIN, which changes no label and makes the file smaller.

`python -m suture.judges.refusal_training FILE.. --out refusal.npz` reads rows {"prompt", "text", "label"} and leaves out those
whose "half" is "fresh" or whose "split" is "test". Deterministic: the same rows give the same file to the bit.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.bundled import SPLITS, behaviour, harden
from ..data.bundled.neutral import neutral
from ..errors import DataError, SutureError
from ..text.rubble import says_nothing
from ._base import BROKEN
from ._evidence import PARTS, WIDTH, Row, evidence
from ._text import english, visible
from .agreement import read
from .refusal import LABELS

if TYPE_CHECKING:
    from torch import Tensor

MEASURED = "fresh"  # the half of labelled answers that is only measured on
ANSWER_PARTS = ("ngrams", "flags", "relation", "frame")  # what tells answers from what goes round the request
REFUSAL_PARTS = (*ANSWER_PARTS, "order")  # what tells a refusal from all else, rubble of refusals among it
RUBBLE_PARTS = ("ngrams", "flags", "shape", "relation", "order")
PARTS_OF = {BROKEN: RUBBLE_PARTS, "refused": REFUSAL_PARTS, "complied": ANSWER_PARTS, "deflected": ANSWER_PARTS}
MADE = "0.3"  # of a labelled answer's weight has one that was made of it
FEWEST = 8  # words of a text that is scrambled
NEAR, REPLACED, LOST = 5, 0.45, 0.25  # see `scrambled`: words, and shares of words
NATURAL = "natural"  # of texts that are not broken, and answer nothing
MOST_JOINED = 5
EVERY = 4  # of the bundled answers one in so many: they are of few forms
STEPS = 80  # of L-BFGS; the labels of held-out answers no longer change after about 60
GRAIN = 1 / 128
RUBBLE_PENALTY = 0.3  # with less, sentences of forms that were not learned from are called broken
PENALTY = 0.1  # leaving edits of the seen half out in turn, 0.01 to 0.3 differ by two points of agreement


def fit(rows: Sequence[dict[str, str]], *, penalty: float = PENALTY) -> tuple[Tensor, Tensor]:
    """Return weights (labels, WIDTH) and biases (labels,), float16 as they are shipped.

    Args:
        rows: answers with prompt, text and label; those that `says_nothing` decides are left out.
        penalty: L2 strength, but for "broken".

    Raises:
        DataError: for a label that is not known, or one without any answer.
    """
    import torch

    usable = [row for row in rows if not says_nothing(visible(row["text"]))]
    counts = Counter(row["label"] for row in usable if row["label"] != NATURAL)
    if set(counts) != set(LABELS):
        raise DataError(f"answers labelled {', '.join(sorted(counts))}", fix=f"Needed are all of {', '.join(LABELS)}.")
    usable += [*unasked(usable), *scrambled(usable)]
    x = [evidence(row["prompt"], visible(row["text"])) for row in usable]
    weights, biases = torch.zeros(len(LABELS), WIDTH), torch.zeros(len(LABELS))
    for index, label in enumerate(LABELS):
        others = {BROKEN: (), "refused": (NATURAL,)}.get(label, (BROKEN, NATURAL))
        chosen = [i for i, row in enumerate(usable) if row["label"] not in others]
        y = torch.tensor([float(usable[i]["label"] == label) for i in chosen], dtype=torch.float64)
        share, strength = (float(y.mean()), penalty) if label != BROKEN else (0.5, RUBBLE_PENALTY)
        trust = torch.tensor([float(usable[i].get("trust", 1.0)) for i in chosen], dtype=torch.float64)
        weights[index], biases[index] = _logistic(
            [x[i] for i in chosen],
            y,
            trust * torch.where(y > 0, 0.5 / share, 0.5 / (1 - share)),
            _mask(label),
            strength,
        )
    return (weights / GRAIN).round().mul(GRAIN).half(), biases.half()


def _mask(label: str) -> Tensor:
    """Return 1 in the columns that a label is learned from, of (WIDTH,)."""
    import torch

    mask = torch.zeros(WIDTH, dtype=torch.float64)
    for part in PARTS_OF[label]:
        mask[PARTS[part]] = 1
    return mask


def _logistic(rows: list[Row], y: Tensor, weights: Tensor, mask: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return w: (WIDTH,) and b of one regression, by L-BFGS: Newton's method would solve thousands of equations a step."""
    import torch

    columns = torch.tensor([column for row in rows for column in row[0]])
    values = torch.tensor([value for row in rows for value in row[1]], dtype=torch.float64) * mask[columns]
    begins = torch.tensor([0, *accumulate(len(row[0]) for row in rows)][:-1])
    theta = torch.zeros(WIDTH + 1, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=STEPS, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = torch.nn.functional.embedding_bag(
            columns, theta[:-1], begins, mode="sum", per_sample_weights=values
        )  # w . x
        margin = (scores[:, 0] + theta[-1]) * (2 * y - 1)
        value = weights @ torch.nn.functional.softplus(-margin) + penalty / 2 * (theta[:-1] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return theta.detach()[:-1, 0], theta.detach()[-1, 0]


def unasked(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return the answers to known requests once more without them, as a judge may be shown them."""
    return [{**row, "prompt": "", "trust": MADE} for row in rows if row["prompt"]]


def scrambled(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Return English texts that say something with their words thrown about: broken, whatever they were.

    Each in one of four ways in turn: all words in another order; in every NEAR words; words of other texts in place of some;
    words left out and words of other texts put in.
    """
    rng = random.Random(0)
    texts = [visible(row["text"]) for row in rows if row["label"] != BROKEN]
    texts = [text for text in texts if english(text) and len(text.split()) >= FEWEST]
    pool = [word for text in texts for word in text.split()]
    return [
        {"prompt": "", "text": " ".join(_scramble(text.split(), index % 4, pool, rng)), "label": BROKEN, "trust": MADE}
        for index, text in enumerate(texts)
    ]


def _scramble(said: list[str], way: int, pool: list[str], rng: random.Random) -> list[str]:
    if way == 0:
        return rng.sample(said, len(said))
    if way == 1:
        parts = [said[begin : begin + NEAR] for begin in range(0, len(said), NEAR)]
        return [word for part in parts for word in rng.sample(part, len(part))]
    if way == 2:
        return [rng.choice(pool) if rng.random() < REPLACED else word for word in said]
    kept = [word for word in said if rng.random() > LOST]
    return [one for word in kept for one in ([word, rng.choice(pool)] if rng.random() < LOST else [word])]


def bundled_answers() -> list[dict[str, str]]:
    """Return what the package has of answers: refusals, answers to harmful requests, and texts of any kind."""
    pairs = [
        (e.prompt or "", e.text, "complied" if e.label else "refused")
        for e in (*harden.labelled("probe"), *harden.labelled("tune"))[::EVERY]
    ]
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
        rows = [row for file in args.files for row in read(file) if row["half"] != MEASURED and row["split"] != "test"]
        weights, biases = fit([*rows, *bundled_answers()])
    except SutureError as problem:
        parser.exit(problem.exit_code, f"error: {problem}\n")
    np.savez_compressed(args.out, weights=weights.numpy(), biases=biases.numpy())
    counts = Counter(row["label"] for row in rows)
    sys.stdout.write(f"{args.out}: {', '.join(f'{counts[label]} {label}' for label in LABELS)}\n")


if __name__ == "__main__":
    main()
