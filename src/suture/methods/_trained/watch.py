"""Whether a model in training begins to repeat itself, and a loss against it.

Source: Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training", eq. 7.
    loss = mean over repeats t of -log(1 - P(y_t | y_<t))      t: tokens of greedy answers that end a phrase said before
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...model.lm import LM
from ...model.run.generation import generate, generate_ids
from ...text.repetition import ends_in_loop, repeats, variety

WRITTEN = 120  # tokens of the answers looked at
LEAST_VARIETY = 0.9  # share of the base's variety that answers keep


class Watch:
    """Greedy answers to some requests, and whether they repeat themselves more than the base's did."""

    def __init__(self, lm: LM, prompts: list[list[int]]) -> None:
        self.lm, self.prompts = lm, prompts
        self.loops, self.variety = self._look()

    def worse(self) -> bool:
        """Return whether more answers end in a loop than before, or they lost variety."""
        loops, varied = self._look()
        return loops > self.loops or varied < LEAST_VARIETY * self.variety

    def unlikelihood(self) -> Tensor:
        """Return the mean of -log(1 - p) over the tokens that end a phrase said before; 0 where nothing is repeated."""
        with torch.no_grad():
            answers = generate_ids(self.lm, self.prompts, max_new_tokens=WRITTEN, temperature=0)
        rows, places = [], []
        for prompt, (ids,) in zip(self.prompts, answers, strict=True):
            rows.append(prompt + ids)
            places.append([len(prompt) + place for place in repeats(ids)])
        if not any(places):
            return torch.zeros((), device=self.lm.device)
        batch = self.lm.batch(rows)
        likely = self.lm.forward(batch).logits[:, :-1].float().softmax(-1)
        chances = likely.gather(-1, batch.ids[:, 1:, None])[..., 0]  # (rows, tokens - 1)
        repeat_chances = [chances[row, place - 1] for row, at in enumerate(places) for place in at]
        return -(1 - torch.stack(repeat_chances)).clamp(min=1e-6).log().mean()

    def _look(self) -> tuple[int, float]:
        texts = [text for (text,) in generate(self.lm, self.prompts, max_new_tokens=WRITTEN, temperature=0)]
        return sum(map(ends_in_loop, texts)), sum(map(variety, texts)) / len(texts)
