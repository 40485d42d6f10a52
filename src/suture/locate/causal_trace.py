"""Find the states that carry a fact: corrupt the subject, restore one state, see how much of the answer comes back.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 2.
    IE(t, l) = P*_restored(t, l)(o) - P*(o),   TE = P(o) - P*(o)      h_t^l: (d_model,)
P is the clean run; in P* the embeddings of the subject's tokens have noise of `noise` standard deviations added, the same
for every (t, l). A state is what a block puts out; of "attn" and "mlp" the module's outputs in a window of blocks.
Differs from the authors' code: blocks below a restored one are not run again (their states are kept from the corrupted
run), and all tokens are restored in one batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ..anatomy import EMBED, Site
from ..errors import NoEffect
from ..examples import Fact
from ..fact_rows import Row, encode
from ..lm import LM, Batch
from ..region import Region
from ..registry import locator
from ..tracing import resumed, trace

Kind = Literal["state", "mlp", "attn"]
PARTS: dict[Kind, str] = {"state": "residual", "mlp": "mlp.out", "attn": "attn.out"}
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
    found = effects(lm, facts, samples=samples, noise=noise, window=window, seed=seed)
    average = {kind: averaged(found, kind) for kind in get_args(Kind)}
    score = average["mlp"][ROLES.index("last subject token")]  # (blocks,)
    best = sorted(score.argsort(descending=True)[:blocks].tolist())
    weights = {layer: lm.anatomy.weight(Site(layer, "mlp.down")) for layer in best}
    rows = {weight.site: torch.arange(weight.shape[1]) for weight in weights.values()}
    about = {
        "by": "causal trace",
        "facts": len(found),
        "total effect": sum(each.high - each.low for each in found) / len(found),
        "average indirect effect": {k: dict(zip(ROLES, v.tolist(), strict=True)) for k, v in average.items()},
    }
    scores = {site: torch.full((len(own),), float(score[site.layer])) for site, own in rows.items()}
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
    found = []
    for fact in facts:
        one = _Runs.of(lm, fact, samples, size, seed)
        if one is not None:
            found.append(one.effects(kinds, window))
        if progress:
            progress(1)
    if not found:
        why = f"Of {len(facts)} facts the model predicts no target."
        raise NoEffect("nothing to trace", why=why, fix="Give facts that the model knows.")
    return found


def averaged(found: Sequence[Effects], kind: Kind) -> Tensor:
    """Return the average indirect effect by role of the token, over facts that have one: (roles, blocks)."""
    rows = []
    for role in range(len(ROLES)):
        own = [e.indirect(kind)[[r == role for r in e.roles]].mean(0) for e in found if role in e.roles]
        rows.append(torch.stack(own).mean(0) if own else torch.zeros(found[0].restored[kind].shape[1]))
    return torch.stack(rows)


@torch.no_grad()
def embedding_spread(lm: LM, facts: Sequence[Fact]) -> float:
    """Return the standard deviation over all numbers of the embeddings of the subjects' tokens."""
    values = []
    for fact in facts:
        row = encode(lm, fact.prompt, fact.subject)
        with trace(lm, [EMBED], stop=True) as seen:
            lm.forward(lm.batch([row.ids]), head=False)
        values.append(seen[EMBED][0, row.first : row.last + 1].float().cpu())
    return float(torch.cat(values).std(correction=0))


@dataclass(frozen=True, eq=False)
class _Runs:
    """The clean and the corrupted runs of one prompt, with their states.

    Attributes:
        batch: the prompt, once for each sample.
        clean: (1, tokens, d_model) by site.
        entry: (samples, tokens, d_model) what each block reads in the corrupted runs.
    """

    lm: LM
    fact: Fact
    row: Row
    answer: int
    batch: Batch
    clean: dict[Site, Tensor]
    entry: list[Tensor]
    high: float
    low: float

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LM, fact: Fact, samples: int, size: float, seed: int) -> _Runs | None:
        """Run clean and corrupted; None when the model does not predict the target."""
        row, told = encode(lm, fact.prompt, fact.subject), encode(lm, fact.prompt, fact.subject, fact.target)
        answer = told.ids[told.begin]
        sites = [Site(layer, part) for layer in range(lm.anatomy.layers) for part in PARTS.values()]
        with trace(lm, sites) as clean:
            chances = lm.forward(lm.batch([row.ids])).logits[0, -1].float().softmax(-1)
        if int(chances.argmax()) != answer:
            return None
        batch = lm.batch([row.ids] * samples)
        entries = [Site(layer, "residual.in") for layer in range(lm.anatomy.layers)]
        with trace(lm, entries, edit={EMBED: _noise(row, fact, samples, size, seed)}) as seen:
            low = lm.forward(batch).logits[:, -1].float().softmax(-1)[:, answer].mean()
        entry = [seen[site] for site in entries]
        return cls(lm, fact, row, answer, batch, clean, entry, float(chances[answer]), float(low))

    @torch.no_grad()
    def effects(self, kinds: Sequence[Kind], window: int) -> Effects:
        count = len(self.row.ids)
        restored = {kind: torch.zeros(count, self.lm.anatomy.layers) for kind in kinds}
        for kind in kinds:
            for layer in range(self.lm.anatomy.layers):
                begin, end = layer, layer + 1
                if kind != "state":
                    begin = max(0, layer - window // 2)
                    end = min(self.lm.anatomy.layers, layer - window // 2 + window)
                restored[kind][:, layer] = self.chances([Site(i, PARTS[kind]) for i in range(begin, end)])
        texts = [self.lm.tokenizer.decode([i]) for i in self.row.ids]
        return Effects(self.fact, texts, _roles(self.row), self.high, self.low, restored)

    def chances(self, sites: Sequence[Site]) -> Tensor:
        """Return the answer's probability with some sites restored at one token, for each token: (tokens,)."""
        count, samples = len(self.row.ids), len(self.batch.ids)
        many = Batch(self.batch.ids.repeat(count, 1), self.batch.mask.repeat(count, 1))
        token = torch.arange(count, device=self.lm.device).repeat_interleave(samples)
        place = torch.nn.functional.one_hot(token, count)[..., None].bool()  # (rows, tokens, 1)
        first = sites[0].layer

        def put(site: Site) -> Callable[[Tensor], Tensor]:
            return lambda value: torch.where(place, self.clean[site], value)

        with ExitStack() as stack:
            stack.enter_context(resumed(self.lm, first, self.entry[first].repeat(count, 1, 1)))
            stack.enter_context(trace(self.lm, edit={site: put(site) for site in sites}))
            logits = self.lm.model(
                input_ids=many.ids, attention_mask=many.mask, position_ids=many.positions, use_cache=False,
                logits_to_keep=1,
            ).logits  # fmt: skip
        return logits[:, -1].float().softmax(-1)[:, self.answer].view(count, samples).mean(1).cpu()


def _noise(row: Row, fact: Fact, samples: int, size: float, seed: int) -> Callable[[Tensor], Tensor]:
    """Return an edit that adds noise to the subject's embeddings, the same for the same prompt whatever else is traced."""
    key = hashlib.sha256(f"{seed} {fact.prompt}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(key[:7], "big"))

    def corrupt(value: Tensor) -> Tensor:
        own = slice(row.first, row.last + 1)
        noise = torch.randn(samples, row.last + 1 - row.first, value.shape[-1], generator=generator)
        changed = value.clone()
        changed[:, own] += (size * noise).to(value)
        return changed

    return corrupt


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
