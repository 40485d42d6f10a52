"""Find the states that carry a fact: corrupt the subject, restore one state, see how much of the answer comes back.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 2.
    IE(t, l) = P*_restored(t, l)(o) - P*(o),   TE = P(o) - P*(o)      h_t^l: (d_model,)
P is the clean run; in P* the embeddings of the subject's tokens have noise of `noise` standard deviations added, the same
for every (t, l). A state is what a block puts out; of "attn" and "mlp" the module's outputs in a window of blocks.
Differs from the authors' code: blocks below a restored one are not run again (their states are kept from the corrupted
run), nor are the tokens before it, and a few tokens are restored in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from ..data.examples import Fact
from ..errors import NoEffect
from ..model.arch.anatomy import EMBED, Site
from ..model.lm import LM
from ..model.run.fact_rows import Row, encode
from ..model.run.tracing import trace
from ..registry import locator
from ._restoring import Kind, Runs
from .region import Region

ROLES = ("first subject token", "middle subject tokens", "last subject token", "first token after", "further tokens",
         "last token")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effects:
    """What restoring does for one fact.

    Attributes:
        fact: which.
        tokens: the prompt's tokens as texts.
        roles: of each token, index into ROLES; -1 before the subject.
        high: probability of the answer in the clean run.
        low: the same with the subject corrupted, mean over the samples.
        restored: for each kind, (tokens, blocks): the probability with that state restored.
    """

    fact: Fact
    tokens: list[str]
    roles: list[int]
    high: float
    low: float
    restored: dict[Kind, Tensor]

    def indirect(self, kind: Kind) -> Tensor:
        """Return IE(t, l): (tokens, blocks)."""
        return self.restored[kind] - self.low


@locator
def causal_trace(
    lm: LM,
    facts: list[Fact],
    *,
    blocks: int = 1,
    samples: int = 10,
    noise: float = 3.0,
    window: int = 10,
    seed: int = 0,
) -> Region:
    """Choose the blocks whose MLPs bring back most at the last subject token.

    What carries a fact need not be the best place to write it (Hase et al. 2023): take it as advice.

    Args:
        lm: the model.
        facts: facts that it knows; those whose target it does not predict are left out.
        blocks: how many blocks to choose.
        samples: corrupted runs of each fact.
        noise: in standard deviations of the subjects' embeddings.
        window: blocks whose MLP is restored together.
        seed: of the noise.
    """
    traces = effects(lm, facts, samples=samples, noise=noise, window=window, seed=seed)
    average = {kind: averaged(traces, kind) for kind in get_args(Kind)}
    score = average["mlp"][ROLES.index("last subject token")]  # (blocks,)
    best = sorted(score.argsort(descending=True)[:blocks].tolist())
    weights = {layer: lm.anatomy.weight(Site(layer, "mlp.down")) for layer in best}
    rows = {weight.site: torch.arange(weight.shape[1]) for weight in weights.values()}
    about = {
        "by": "causal trace",
        "facts": len(traces),
        "total effect": sum(e.high - e.low for e in traces) / len(traces),
        "average indirect effect": {k: dict(zip(ROLES, v.tolist(), strict=True)) for k, v in average.items()},
    }
    scores = {site: torch.full((len(numbers),), float(score[site.layer])) for site, numbers in rows.items()}
    inner = sum(weight.shape[1] for weight in lm.anatomy.weights("mlp.down"))
    return Region(rows, scores, inner, about)


def effects(
    lm: LM,
    facts: Sequence[Fact],
    *,
    kinds: Sequence[Kind] = get_args(Kind),
    samples: int = 10,
    noise: float = 3.0,
    window: int = 10,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Effects]:
    """Trace facts; arguments as `causal_trace`.

    Raises:
        NoEffect: when the model predicts none of the targets.
    """
    size = noise * embedding_spread(lm, facts)
    traces = []
    for fact in facts:
        runs = Runs.of(lm, fact, samples, size, seed)
        if runs is not None:
            restored = {kind: runs.restored(kind, window) for kind in kinds}
            texts = [lm.tokenizer.decode([i]) for i in runs.row.ids]
            traces.append(Effects(fact, texts, _roles(runs.row), runs.high, runs.low, restored))
        if progress:
            progress(1)
    if not traces:
        why = f"Of {len(facts)} facts the model predicts no target."
        raise NoEffect("nothing to trace", why=why, fix="Give facts that the model knows.")
    return traces


def averaged(traces: Sequence[Effects], kind: Kind) -> Tensor:
    """Return the average indirect effect by role of the token, over facts that have one: (roles, blocks)."""
    rows = []
    for role in range(len(ROLES)):
        means = [e.indirect(kind)[[r == role for r in e.roles]].mean(0) for e in traces if role in e.roles]
        rows.append(torch.stack(means).mean(0) if means else torch.zeros(traces[0].restored[kind].shape[1]))
    return torch.stack(rows)


@torch.no_grad()
def embedding_spread(lm: LM, facts: Sequence[Fact]) -> float:
    """Return the standard deviation over all numbers of the embeddings of the subjects' tokens."""
    values = []
    for fact in facts:
        row = encode(lm, fact.prompt, fact.subject)
        with trace(lm, [EMBED], stop=True) as states:
            lm.forward(lm.batch([row.ids]), head=False)
        values.append(states[EMBED][0, row.first : row.last + 1].float().cpu())
    return float(torch.cat(values).std(correction=0))


def _roles(row: Row) -> list[int]:
    """Return the role of each token; where one has several, the rarer: last before first before middle."""
    roles = [-1] * len(row.ids)
    last = len(row.ids) - 1
    for index in range(row.first, last + 1):
        if index > row.last:
            roles[index] = 5 if index == last else 3 if index == row.last + 1 else 4
        else:
            roles[index] = 2 if index == row.last else 0 if index == row.first else 1
    return roles
