"""One prompt at several strengths of a patch: what is said, and how far that is from the base, as a picture in a line of text.

    moved    KL of an answer's first token from the base's, nats          (without a judge)
    share    of the sampled answers that a judge gives one label          (with one)
All strengths share one batch where the patch can be attached, and draw the same random numbers, so what differs is the strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..judges import Judge, label_all
from ..model.lm import LM
from ..model.run.generation import Doses, generate
from ..patch.patch import Patch

SAMPLES = 8  # answers that a judge sees at each strength
BAR = 24  # characters of a whole bar
EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Dosed:
    """What a strength does to a prompt.

    Attributes:
        strength: of the patch.
        answer: the first one.
        value: KL of the first token in nats, or the share of the answers that have the label.
    """

    strength: float
    answer: str
    value: float


def answers_at_strengths(
    lm: LM,
    patch: Patch,
    prompt: Sequence[int],
    strengths: Sequence[float],
    *,
    prompt_text: str = "",
    judge: Judge | None = None,
    label: str = "",
    tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Dosed]:
    """Return what each strength does.

    Args:
        lm: the model.
        patch: for it; checked by the caller.
        prompt: ids.
        strengths: multiples of the patch.
        prompt_text: the prompt as the judge reads it.
        judge: labels answers; None measures how far the first token moves.
        label: the one that is counted.
        tokens: longest answer.
        temperature: 0 is greedy; judged answers need more than that to differ.
        seed: of the random stream.
    """
    samples = SAMPLES if judge is not None and temperature else 1
    write = partial(generate, max_new_tokens=tokens, temperature=temperature, seed=seed, samples=samples)
    rows = [list(prompt)] * len(strengths)
    if patch.attachable(lm):
        with patch.attached(lm, force=True) as dose:
            texts = write(lm, rows, doses=Doses(dose, strengths))
            dose.strength = torch.tensor([0.0, *strengths])
            logs = _first(lm, [list(prompt), *rows])
    else:
        texts, parts = [], [_first(lm, rows[:1])]
        for strength in strengths:
            with (patch * strength).applied(lm, force=True):
                texts += write(lm, rows[:1])
                parts.append(_first(lm, rows[:1]))
        logs = torch.cat(parts)
    if judge is None:
        values = (logs[:1].exp() * (logs[:1] - logs[1:])).sum(-1).clamp(min=0).tolist()
    else:
        labels = iter(label_all(judge, [(prompt_text, text) for answers in texts for text in answers]))
        values = [sum(next(labels) == label for _ in answers) / len(answers) for answers in texts]
    return [Dosed(s, answers[0].strip(), v) for s, answers, v in zip(strengths, texts, values, strict=True)]


def bar(value: float, most: float) -> str:
    """Return a bar of text, as long as the value is to the most."""
    eighths = round(8 * BAR * max(0.0, min(1.0, value / most if most > 0 else 0.0)))
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()) or "·"


@torch.no_grad()
def _first(lm: LM, rows: Sequence[Sequence[int]]) -> Tensor:
    """Return log-probabilities of the token behind each prompt: (rows, vocabulary) float64."""
    batch = lm.batch(rows)
    logits = lm.forward(batch).logits
    return logits[torch.arange(len(rows)), batch.last].double().cpu().log_softmax(-1)
