"""Whether a prompt asks for a fact: by the state in which the model is about to answer, or by the subject's name.

    asks(x, i)   =   |h(x) - h(p_i)| <= reach |h(p_i)|      h: (d_model,) behind a late block, at the last token of a text
x is a prompt, p_i the prompt of fact i. Phrasings of one question meet in such a state where the model understands them.
Source: the scope of Mitchell et al. 2022, "Memory-Based Model Editing at Scale" (SERAC), section 3, with the model's own states
in place of a trained classifier, and a threshold chosen on held-out prompts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..data.examples import Fact
from ..errors import UsageError
from ..model.arch.anatomy import Site
from ..model.lm import LM, bucketed, halving
from ..model.run.tracing import trace
from ..patch.codebook import distances
from ..text.letters import names

LATE = 3 / 4  # of the depth: where a prompt has become a question
FALSE = 0.01  # share of prompts about other things that may be taken for a question about a fact
Scope = Literal["state", "subject", "both"]


@dataclass(frozen=True)
class Reach:
    """How near a prompt must come, and how well that told apart what it was chosen on.

    Attributes:
        reach: in units of the length of a fact's own state.
        recall: share of the other phrasings that are recognised, each as its own fact.
        false_alarms: share of the prompts about other things that are taken for a fact.
        inside: number of the phrasings.
        outside: number of the others.
    """

    reach: float
    recall: float = math.nan
    false_alarms: float = math.nan
    inside: int = 0
    outside: int = 0

    @classmethod
    def of_plain(cls, content: Mapping[str, Any]) -> Reach:
        """Read what `plain` wrote, believing nothing."""
        reach, recall, false = (
            math.nan if content[name] is None else float(content[name]) for name in ("reach", "recall", "false_alarms")
        )
        return cls(reach, recall, false, int(content["inside"]), int(content["outside"]))

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it: what was not measured is None."""
        return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in asdict(self).items()}


def default_layer(lm: LM) -> int:
    """Return the block behind which states are compared when none is named."""
    return round(LATE * (lm.anatomy.layers - 1))


@torch.no_grad()
def last_states(lm: LM, texts: Sequence[str], layer: int) -> Tensor:
    """Return the state at the last token of each text behind a block: (texts, d_model) float32."""
    rows, site = [lm.encode(text) for text in texts], Site(layer, "residual")
    last = torch.zeros(len(rows), lm.width)

    def run(part: Sequence[int]) -> None:
        batch = lm.batch([rows[i] for i in part])

        def picked(value: Tensor) -> Tensor:
            return value[torch.arange(len(part)), batch.last.to(value.device)].float().cpu()

        with trace(lm, [site], keep=picked, stop=True) as by_site:
            lm.forward(batch, head=False)
        last[list(part)] = by_site[site]

    for group in bucketed([len(row) for row in rows]):
        for _ in halving(group, run):
            pass
    return last


def asked(
    states: Tensor, prompts: Sequence[str], keys: Tensor, facts: Sequence[Fact], reach: float, scope: Scope
) -> Tensor:
    """Return how near each prompt comes to each fact it asks for, (prompts, facts); infinity where it does not ask.

    Args:
        states: (prompts, d_model), see `last_states`.
        prompts: the texts.
        keys: (facts, d_model), the states of the facts' own prompts.
        facts: the facts.
        reach: see `Reach`.
        scope: "state", "subject" (the prompt names it), or "both".
    """
    near = distances(states, keys) / keys.norm(dim=1)
    away = near > reach if scope != "subject" else torch.zeros_like(near, dtype=torch.bool)
    if scope != "state":
        mentions = [[names(text, f.subject) for f in facts] for text in prompts]
        away = away | ~torch.tensor(mentions, dtype=torch.bool).view(near.shape)
    return near.masked_fill(away, torch.inf)


def chosen_reach(
    lm: LM, facts: Sequence[Fact], others: Sequence[str] = (), *, layer: int | None = None, false: float = FALSE
) -> Reach:
    """Choose how near a prompt must come, on facts that are not the ones to be served.

    Args:
        lm: the model.
        facts: with paraphrases, which must be recognised, and neighbours, which must not.
        others: more prompts that ask for none of them.
        layer: block behind which states are compared.
        false: share of the prompts about other things that may be taken for a question about a fact.

    Raises:
        UsageError: when there is nothing to tell apart.
    """
    layer = default_layer(lm) if layer is None else layer
    own_prompts = {fact.prompt for fact in facts}
    inside = [(prompt, index) for index, fact in enumerate(facts) for prompt in fact.paraphrases]
    asking = own_prompts | {prompt for prompt, _ in inside}
    outside = sorted({p for fact in facts for p, _ in fact.neighbours if p not in asking} | {*others} - asking)
    if not inside or not outside:
        raise UsageError(
            "can not choose how near a prompt must come",
            why=f"{len(inside)} paraphrases and {len(outside)} prompts about other things were given.",
            fix="Give facts with paraphrases and neighbours, or set the reach yourself (about 0.5).",
        )
    keys = last_states(lm, [fact.prompt for fact in facts], layer)
    away = (distances(last_states(lm, outside, layer), keys) / keys.norm(dim=1)).min(dim=1).values.sort().values
    allowed = int(false * len(away))  # so many of the nearest may be taken for a question
    reach = float(away[allowed]) * (1 - 1e-4)
    near = distances(last_states(lm, [prompt for prompt, _ in inside], layer), keys) / keys.norm(dim=1)
    right = (near.argmin(dim=1) == torch.tensor([index for _, index in inside])) & (near.min(dim=1).values <= reach)
    return Reach(reach, float(right.float().mean()), float((away <= reach).float().mean()), len(inside), len(outside))
