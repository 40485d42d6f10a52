"""Examples of what is wanted, put before each prompt: those that are nearest to it in the model's own states.

    x' = e_k .. e_2 e_1 x       e_i: the examples with the largest cos(h(e_i) - m, h(x) - m), the nearest last
h(x): (d_model,), mean state of a text behind a late block (in a chat of the request); m: mean of h over the examples.
Source: Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?" (KATE), section 3, with the model's own states in
place of a sentence encoder. No weight and no activation changes; whether a model follows examples is its own ability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.conversation import before, messages_of
from ..data.examples import Behaviour, Labelled
from ..errors import DataError
from ..model.arch.anatomy import Site
from ..model.lm import LM
from ..model.run.context import context
from ..model.run.features import extract
from ..model.run.reading import Text, ids_of

LATE = 3 / 4  # of the depth: where a text has become what it is about
SHOTS = 2  # examples put before a prompt
ROOM = 64  # tokens of the model's context that are left for the answer


@dataclass(frozen=True, eq=False)
class Exemplars:
    """Examples and where they lie.

    Attributes:
        examples: what may be shown.
        keys: (examples, d_model) float32, of length 1.
        middle: (d_model,), the mean that was taken off.
        site: where states are read.
        shots: examples put before a prompt.
    """

    examples: Sequence[Labelled]
    keys: Tensor
    middle: Tensor
    site: Site
    shots: int = SHOTS

    @classmethod
    def of(cls, lm: LM, behaviour: Behaviour, *, label: int = 0, shots: int = SHOTS) -> Exemplars:
        """Read the examples of a label.

        Args:
            lm: the model.
            behaviour: labelled texts.
            label: 0 for the wanted, 1 for the unwanted.
            shots: examples put before a prompt.

        Raises:
            DataError: when there are fewer examples of the label than shots.
        """
        examples = [example for example in behaviour.examples if example.label == label]
        if not 0 < shots <= len(examples):
            raise DataError(
                f"{behaviour.name}: can not show {shots} of {len(examples)} examples",
                fix="Give more texts or fewer shots.",
            )
        site = Site(round(LATE * (lm.anatomy.layers - 1)), "residual")
        states = _states(lm, [example.prompt or example.text for example in examples], site)
        middle = states.mean(0)
        return cls(examples, torch.nn.functional.normalize(states - middle, dim=1), middle, site, shots)

    def nearest(self, lm: LM, prompts: Sequence[str]) -> list[list[Labelled]]:
        """Return the examples shown before each prompt, the nearest last; a prompt is no example of itself."""
        if not prompts:
            return []
        near = torch.nn.functional.normalize(_states(lm, prompts, self.site) - self.middle, dim=1) @ self.keys.T
        examples = []
        for prompt, row in zip(prompts, near, strict=True):
            others = [i for i in row.argsort(descending=True, stable=True).tolist() if self._other(prompt, i)]
            examples.append([self.examples[i] for i in others[: self.shots][::-1]])
        return examples

    def _other(self, prompt: str, index: int) -> bool:
        example = self.examples[index]
        return example.prompt != prompt and not example.text.startswith(prompt)


class Shown(LM):
    """The same model, with examples before each prompt: earlier turns of a chat, or lines before a text.

    The farthest are left out where all would not leave room for an answer.

    Args:
        lm: the model; shared, not copied.
        exemplars: what is shown.
    """

    def __init__(self, lm: LM, exemplars: Exemplars) -> None:
        vars(self).update(vars(lm))
        self.base, self.exemplars = lm, exemplars

    def prompt_texts(self, prompts: Sequence[str], *, chat: bool = False, thinking: bool = False) -> list[Text]:
        """See `LM.prompt_texts`."""
        pairs = zip(prompts, self.exemplars.nearest(self.base, prompts), strict=True)
        return [self._fitting(prompt, examples, chat, thinking) for prompt, examples in pairs]

    def _fitting(self, prompt: str, examples: Sequence[Labelled], chat: bool, thinking: bool) -> Text:
        limit = context(self.base)
        for first in range(len(examples) + 1):
            text = self._text(prompt, examples[first:], chat, thinking)
            if limit is None or len(ids_of(self.base, text)) + ROOM <= limit:
                break
        return text

    def _text(self, prompt: str, examples: Sequence[Labelled], chat: bool, thinking: bool) -> Text:
        if not chat:
            return self.base.prompt_texts(["\n".join([*(_as_text(e) for e in examples), prompt])])[0]
        turns = [turn for e in examples if e.prompt is not None for turn in _turns(e.prompt, e.text)]
        shown = "".join(f"{e.text}\n" for e in examples if e.prompt is None)
        return self.base.message_text([*turns, *messages_of(before(prompt, shown))], thinking=thinking)


def _turns(request: str, answer: str) -> list[dict[str, str]]:
    return [*messages_of(request), {"role": "assistant", "content": answer}]


def _as_text(example: Labelled) -> str:
    return example.text if example.prompt is None else f"{example.prompt}\n{example.text}"


def _states(lm: LM, texts: Sequence[str], site: Site) -> Tensor:
    """Return the mean state of each text: (texts, d_model)."""
    return extract(lm, [Labelled(text, 0) for text in texts], [site], pool="mean")[:, 0]
