"""Change how often a model writes something by one step of policy gradient: it writes texts, a judge says which are better.

Source: Williams 1992, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning" (REINFORCE);
the step is a natural one as in Kakade 2001, "A Natural Policy Gradient", in the form of `_natural_step`:
    S = sum_ij (r_ij - mean_j r_ij) log P(y_ij | x_i)                   D: see `_natural_step`
y_ij: (tokens,) continuation j of prompt i, drawn from the model; r_ij: 1 where the judge calls it what is wanted, else 0.
The mean over the texts of a prompt is what each is compared with: prompts all of whose texts are alike say nothing. Texts of one
prompt differ in little but what is judged, and all are the model's own: less is given up than to become like texts of others. If
35 of 100 texts are as wanted, 55 are for 0.08 nats a text (the divergence of the two shares), where nothing else changes.
Its own texts count a little among those to keep (A): where nothing holds them, they turn to one phrase said over and over.
What says nothing (rubble, an answer that no judge can place, what is said to other prompts, too) is never what is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .. import registry
from ..data.bundled.neutral import broad
from ..data.conversation import messages_of
from ..data.examples import Texts
from ..errors import NoEffect, UsageError
from ..judges import judge_named, unwanted
from ..judges._base import BROKEN, NEITHER
from ..locate._row_slopes import SignedText
from ..metrics import sampled
from ..model.lm import LM
from ..model.run.documents import documents
from ..patch.delta_kind import by_tensor
from ..patch.patch import Patch
from ..registry import method
from ..text.heard import tell
from ._natural_step import change, weights_of

Toward = Literal["more", "less"]
SAMPLES = 4  # continuations of a prompt
LEARNED = 240  # texts that are learned from, at most: those of prompts whose texts differ most


@dataclass(frozen=True)
class Rated:
    """What a model wrote, and which of it is wanted.

    Attributes:
        prompts: which were continued, or asked.
        texts: of each prompt.
        ratings: 1 for a text that is as wanted, else 0.
        chat: prompts are requests.
    """

    prompts: list[str]
    texts: list[list[str]]
    ratings: list[list[float]]
    chat: bool = False

    @property
    def share(self) -> float:
        """How much of it is wanted."""
        every = [rating for ratings in self.ratings for rating in ratings]
        return sum(every) / len(every)

    def chosen(self, most: int = LEARNED) -> list[tuple[str, str, float]]:
        """Return (prompt, text, weight): each rating less the mean of its prompt, of prompts whose texts differ most."""
        rows: list[list[tuple[str, str, float]]] = []
        for prompt, texts, ratings in zip(self.prompts, self.texts, self.ratings, strict=True):
            mean = sum(ratings) / len(ratings)
            weights = [rating - mean for rating in ratings]
            if any(weights):
                rows.append([(prompt, text, weight) for text, weight in zip(texts, weights, strict=True)])
        rows.sort(key=lambda row: -sum(abs(weight) for _, _, weight in row))  # stable: of equals those that came first
        taken: list[tuple[str, str, float]] = []
        for row in rows:
            if len(taken) + len(row) > most and taken:
                break  # the texts of a prompt only say something together
            taken += row
        return taken


@method
def policy_gradient(
    lm: LM,
    prompts: Texts,
    *,
    judge: str = "toxicity",
    label: str | None = None,
    toward: Toward = "less",
    strength: float = 1.0,
    keep: Texts | None = None,
    samples: int = SAMPLES,
    tokens: int = 40,
    temperature: float = 0.7,
    top_p: float = 0.9,
    chat: bool = False,
    rank: int = 1,
    site: str | None = None,
    layers: list[int] | None = None,
    seed: int = 0,
) -> Patch:
    """Make a policy-gradient patch.

    Args:
        lm: the model; not changed.
        prompts: beginnings that the model continues, or requests; sixty will do.
        judge: says of each text what it is, by its name.
        label: of the judge, that is to be given more or less often (by default what the judge calls unwanted).
        toward: "less" makes the label rarer, "more" more frequent.
        strength: how far to step; at 1 predictions on texts to keep, an eighth of which is held out for this, move by 0.01 nats
            a token.
        keep: texts whose predictions must not suffer (bundled texts of many kinds by default).
        samples: texts the model writes of each prompt, at least 2.
        tokens: longest text.
        temperature: of the sampling.
        top_p: share of the probability that is drawn from, the likeliest tokens first.
        chat: prompts are requests, asked in the chat template.
        rank: of the change of each matrix.
        site: the matrix to edit (the first of the MLP by default); it must read what the MLP reads.
        layers: only these blocks.
        seed: of the sampling.

    Raises:
        UsageError: for a matrix that reads anything else, or a label that the judge does not give.
        NoEffect: when the texts of no prompt differ.
    """
    settings = registry.settings()
    if rank < 1 or samples < 2:
        raise UsageError(
            f"rank {rank} from {samples} texts a prompt is no change", fix="Give rank 1 and 2 texts or more."
        )
    weights_of(lm, site, layers)  # what can not be edited is said before anything is written
    decides = judge_named(judge)
    label = label or unwanted(decides)
    if label not in decides.labels:
        raise UsageError(f"the judge {judge} gives no label {label!r}", fix=f"It gives: {', '.join(decides.labels)}.")
    cases = sampled.Cases(
        list(prompts), decides, label, chat=chat, samples=samples, max_new_tokens=tokens, temperature=temperature,
        top_p=top_p, seed=seed,
    )  # fmt: skip
    rated = own_texts(lm, cases, toward)
    return stepped(lm, rated, keep or broad("probe"), strength, rank=rank, site=site, layers=layers, settings=settings)


def toward_of(better: str) -> Toward:
    """Return which way a measure's label is to go."""
    return "more" if better == "higher" else "less"


def own_texts(lm: LM, cases: sampled.Cases, toward: Toward) -> Rated:
    """Have a model write, and rate what it wrote.

    Args:
        lm: the model.
        cases: prompts, how they are continued, and what is looked for.
        toward: see `policy_gradient`.
    """
    observation = sampled.observe(lm, cases, tell)
    labels: list[list[str]] = observation.extra["labels"]
    others = {label for label in cases.judge.labels if label not in (cases.label, BROKEN, NEITHER)}
    good = {cases.label} if toward == "more" else others
    ratings = [[float(label in good) for label in given] for given in labels]
    assert observation.texts is not None
    return Rated(list(cases.prompts), observation.texts, ratings, cases.chat)


def stepped(
    lm: LM,
    rated: Rated,
    keep: Texts,
    strength: float = 1.0,
    *,
    rank: int = 1,
    site: str | None = None,
    layers: Sequence[int] | None = None,
    settings: dict[str, Any] | None = None,
) -> Patch:
    """Return the patch of texts that were written and rated; arguments as of `policy_gradient`.

    Raises:
        NoEffect: when the texts of no prompt differ.
    """
    chosen = rated.chosen()
    if not chosen:
        raise NoEffect(
            f"of {len(rated.prompts)} prompts none is continued in both ways",
            why=f"{rated.share:.0%} of the texts are as wanted; what is better is told by texts of the same prompt.",
            fix="Give more prompts, or others, or more samples of each.",
        )
    ids = lm.encode_answers([p for p, _, _ in chosen], [text for _, text, _ in chosen], chat=rated.chat)
    texts = [SignedText(row, begin, weight) for (row, begin), (_, _, weight) in zip(ids, chosen, strict=True)]
    whole = [_as_read(lm, prompt, text, chat=rated.chat) for prompt, text, _ in chosen]
    terms = change(
        lm, weights_of(lm, site, layers), texts, documents(lm, keep), rank=rank, strength=strength, beside=whole
    )
    about = {
        "prompts": Texts(rated.prompts).summary(), "share": rated.share, "learned": len(chosen), "keep": keep.summary(),
    }  # fmt: skip
    return Patch.make(lm, by_tensor(terms), method="policy_gradient", settings=settings or {}, examples=about)


def _as_read(lm: LM, prompt: str, text: str, *, chat: bool) -> str:
    """Return a prompt with its continuation, as the model reads them."""
    if not chat:
        return prompt + text
    return lm.message_text([*messages_of(prompt), {"role": "assistant", "content": text}], reply=False).text
