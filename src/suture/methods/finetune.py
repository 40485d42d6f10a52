"""Write facts by training one matrix: the baseline every editing method has to beat (FT-L, FT-M, FT-W).

Source: Zhu et al. 2020, "Modifying Memories in Transformer Models", eq. 4; Meng et al. 2022, "Locating and Editing Factual
Associations in GPT", section 4; Zhang et al. 2024, "A Comprehensive Study of Knowledge Editing", section 4 (FT-M).
    minimise over D:  mean_i -log P(o_i | p_i; W + D) + locality * KL(P(.|t; W) || P(.|t; W + D)),   |D|_max <= limit
D, W: (out, in); o_i is a target, p_i its prompt, t are texts to keep. `loss="target"` counts every token of the target
after those before it (FT-M); "prompt_last" asks all of them of the prompt's last position, as the code behind FT-L does.
Differs from the papers: Adam moves a float32 change, never the stored weights; `decay` pulls back to the base weights, not
to zero (FT-W); the gradient goes through the KL, too.
"""

from __future__ import annotations

from .. import registry
from ..data.bundled.neutral import neutral
from ..data.examples import Fact, Texts
from ..data.fact_files import agreeing
from ..model.lm import LM
from ..patch.patch import Patch
from ..registry import method
from ._facts.batches import summary
from ._facts.keyvalue import chosen_layer
from ._trained.loop import Full, Loss, TrainingConfig, deltas, lines, objective, train


@method
def finetune(
    lm: LM,
    facts: list[Fact],
    *,
    layer: int | None = None,
    site: str = "mlp.down",
    loss: Loss = "target",
    limit: float | None = None,
    locality: float = 0.0,
    decay: float = 0.0,
    steps: int = 25,
    rate: float = 5e-4,
    stop: float = 1e-2,
    batch: int = 32,
    keep: Texts | None = None,
    seed: int = 0,
) -> Patch:
    """Make a fine-tuning patch.

    Args:
        lm: the model; not changed.
        facts: what to write.
        layer: the block to edit (an early one by default; measure).
        site: the matrix of the block; of a mixture of experts all those that are used.
        loss: "target" (FT-M) or "prompt_last" (FT-L).
        limit: the most that any weight may move (FT-L: 5e-4 for GPT-2 XL, 5e-5 for GPT-J); none by default.
        locality: weight of the KL on texts to keep, in nats per token.
        decay: weight decay of Adam on the change (FT-W).
        steps: passes over all facts at most.
        rate: of Adam.
        stop: mean loss of a pass at which to end.
        batch: facts a step.
        keep: texts for `locality` (bundled neutral texts by default).
        seed: of the order, and of which texts are kept in which step.
    """
    settings = registry.settings()
    facts, texts = agreeing(facts), keep or neutral("probe")
    changes = [Full.of(weight) for weight in lm.anatomy.weights(site, [chosen_layer(lm, layer)])]

    most = float("inf") if limit is None else limit

    def clamp() -> None:
        for change in changes:
            change.values.clamp_(-most, most)

    course = TrainingConfig(steps=steps, rate=rate, stop=stop, batch=batch, decay=decay, seed=seed)
    goal = objective(lm, changes, loss=loss, locality=locality, keep=texts, seed=seed)
    train(changes, lines(lm, facts), goal, course, after=clamp)
    examples = {"facts": summary(facts), "keep": texts.summary()}
    return Patch.make(lm, deltas(changes), method="finetune", settings=settings, examples=examples)
