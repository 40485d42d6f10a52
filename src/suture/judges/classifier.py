"""A text-classification model of the Hub or of a folder as a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..io.system import explained
from ..registry import judge
from ..text.reasoning import answer_of
from ._base import NEITHER, OPPOSITES, coherent, odds_at, unwanted

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 512  # of a text; longer ones are cut


@judge("hf:NAME[@label=toxic]")
@dataclass(frozen=True)
class Classifier:
    """Labels a text by the likeliest of our labels if it reaches the threshold, else by `other`.

    The model is loaded when it is first needed. A model of many labels (sigmoid) gives our label the largest of the
    probabilities mapped to it, any other model (softmax) their sum.

    Attributes:
        name: a Hub name or a folder with a sequence-classification model and its tokenizer.
        mapping: the model's label -> one of ours; by default each label stands for itself.
        other: the label of a text for which no mapped label reaches the threshold.
        threshold: least probability, in [0, 1].
        batch: texts at once.
        device: a torch device.
    """

    name: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    other: str = NEITHER
    threshold: float = 0.5
    batch: int = 32
    device: str = "cpu"

    @classmethod
    def of(cls, rest: str) -> Classifier | None:
        """Return the judge that "hf:NAME" or "hf:NAME@label=LABEL" means."""
        name, _, label = rest.partition("@label=")
        if not name:
            return None
        return cls(name, {label: label}, other=_opposite(label)) if label else cls(name)

    @property
    def labels(self) -> tuple[str, ...]:
        """Our labels; see `Judge`."""
        ours = self.mapping.values() if self.mapping else self._model_and_tokenizer[0].config.id2label.values()
        return tuple(dict.fromkeys([*ours, *([self.other] if self.other != NEITHER else [])]))

    def __call__(self, prompt: str, text: str) -> str:
        """See `Judge`."""
        return self.many([prompt], [text])[0]

    def many(self, prompts: list[str], texts: list[str]) -> list[str]:
        """Return a label for each text."""
        labels = []
        for text, scores in zip(texts, self.score(texts), strict=True):
            best = max(scores, key=lambda label: scores[label])
            sure = best if scores[best] >= self.threshold else self.other
            labels.append(sure if coherent(answer_of(text)) else NEITHER)
        return labels

    def chances(self, texts: list[str]) -> list[float]:
        """See `chance_all`."""
        unwanted_label, chances = unwanted(self), []
        for scores in self.score(texts):
            chance = odds_at(min(1.0, scores.get(unwanted_label, max(scores.values()))), self.threshold)
            chances.append(
                chance if unwanted_label in scores else 1 - chance
            )  # else it is what is left by the labels that are scored
        return chances

    def score(self, texts: list[str]) -> list[dict[str, float]]:
        """Return for each text the probability of each of our mapped labels.

        Raises:
            UsageError: when the model can not be loaded or does not have a mapped label.
        """
        columns = self._columns
        texts = [answer_of(text) for text in texts]
        scores: list[dict[str, float]] = []
        for start in range(0, len(texts), self.batch):
            probabilities, many = self._probabilities(texts[start : start + self.batch])  # (batch, model's labels)
            for row in probabilities.tolist():
                values = {ours: [row[i] for i in at] for ours, at in columns.items()}
                scores.append({ours: max(parts) if many else sum(parts) for ours, parts in values.items()})
        return scores

    def _probabilities(self, texts: list[str]) -> tuple[Tensor, bool]:
        import torch

        model, tokenizer = self._model_and_tokenizer
        longest = min(MAX_TOKENS, getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs.to(model.device)).logits.float()
        many = model.config.problem_type == "multi_label_classification"
        return logits.sigmoid() if many else logits.softmax(-1), many

    @cached_property
    def _columns(self) -> dict[str, list[int]]:
        """Our label -> its columns among the model's labels."""
        ids = {str(label).lower(): int(i) for i, label in self._model_and_tokenizer[0].config.id2label.items()}
        mapping = self.mapping or {label: label for label in self._model_and_tokenizer[0].config.id2label.values()}
        columns: dict[str, list[int]] = {}
        for theirs, ours in mapping.items():
            if theirs.lower() not in ids:
                raise UsageError(
                    f"{self.name} has no label {theirs!r}", why=f"It has {', '.join(ids)}.", fix="Name one of these."
                )
            columns.setdefault(ours, []).append(ids[theirs.lower()])
        return columns

    @cached_property
    def _model_and_tokenizer(self) -> tuple[Any, Any]:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            model = AutoModelForSequenceClassification.from_pretrained(self.name, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(self.name, trust_remote_code=False)
        except (OSError, ValueError) as problem:
            fix = "Give a folder or a Hub name of a text-classification model."
            raise explained(problem, f"can not load the classifier {self.name}", fix=fix) from problem
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        if model.config.pad_token_id is None:  # a causal classifier reads the last token that is not padding
            model.config.pad_token_id = tokenizer.pad_token_id
        return model.to(self.device).eval(), tokenizer


def _opposite(label: str) -> str:
    """Return what a text without a label is called: clean for toxic, else "not LABEL"."""
    both = {**OPPOSITES, **{wanted: unwanted for unwanted, wanted in OPPOSITES.items()}}
    return both.get(label.lower(), f"not {label}")
