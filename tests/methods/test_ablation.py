import pytest
import torch

from models import FAMILIES, snapshot, tiny_family, tiny_llama
from suture.errors import NoEffect, UsageError
from suture.locate.direction import Direction
from suture.locate.directions import directions
from suture.measure.suite import Measure
from suture.methods._layer_schedule import LayerSchedule
from suture.methods.ablation import SPACE, ablation
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.model.run.tracing import trace
from suture.search import Measured, Rung, drawn, explore

TEXTS = ["The cat sat on the mat and", "You are a stupid fool, go away.", "One"]


def random_direction(lm, seed=0) -> Direction:
    generator = torch.Generator().manual_seed(seed)
    count = lm.anatomy.layers
    vectors = torch.randn(count, lm.width, generator=generator)
    return Direction("x", "residual", list(range(count)), vectors, torch.ones(count), torch.zeros(count, 2))


@torch.no_grad()
def written(lm, layer, unit):
    """What a block adds to the stream along a direction, and how much it adds at all."""
    batch = lm.batch([lm.encode(text) for text in TEXTS])
    sites = [Site(layer, "residual.in"), Site(layer, "residual")]
    with trace(lm, sites) as seen:
        lm.forward(batch)
    added = (seen[sites[1]] - seen[sites[0]])[batch.mask.bool()]
    return float((added @ unit).abs().max()), float(added.norm(dim=1).max()), seen[sites[1]][batch.mask.bool()]


def busy(lm):
    """Give norms gains and biases values, as trained models have them."""
    generator = torch.Generator().manual_seed(5)
    for parameter in lm.model.parameters():
        if parameter.dim() == 1 or (parameter.shape[-1] == 32 and parameter.dim() == 2 and parameter.shape[0] <= 4):
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return lm


@pytest.mark.parametrize("scope", ["one", "each"])
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_along_the_direction_is_written_in_any_family(family, scope, tokenizer, behaviour):
    lm = busy(tiny_family(family, tokenizer))
    direction, before = random_direction(lm), snapshot(lm)
    patch = ablation(lm, behaviour, direction=direction, layer=1, scope=scope)
    with patch.applied(lm):
        for layer in range(2):
            unit = direction.unit(layer if scope == "each" else 1)
            assert written(lm, layer, unit)[0] < 1e-4 * max(1.0, written(lm, layer, unit)[1])
    assert snapshot(lm) == before
    assert written(lm, 1, direction.unit(1))[0] > 1e-2


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "gpt_oss", "mixtral"])
def test_with_the_embeddings_the_stream_has_no_component_at_all(family, tokenizer, behaviour):
    lm = busy(tiny_family(family, tokenizer))
    direction = random_direction(lm)
    patch = ablation(lm, behaviour, direction=direction, layer=0, embeddings=True)
    with patch.applied(lm):
        states = written(lm, 1, direction.unit(0))[2]
    assert float((states @ direction.unit(0)).abs().max()) < 1e-4 * float(states.norm(dim=1).max())


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "phi3"])
def test_ablated_weights_are_hooks_on_every_writer_also_after_saving(family, tokenizer, behaviour, tmp_path):
    lm = busy(tiny_family(family, tokenizer))
    direction = random_direction(lm)
    unit, base = direction.unit(0), logits(lm)
    writers = [w for part in ("attn.o", "mlp.down") for w in lm.anatomy.weights(part)]
    taken = [module_of(lm, w).register_forward_hook(lambda m, x, y: y - (y @ unit)[..., None] * unit) for w in writers]
    hooked = logits(lm)
    for hook in taken:
        hook.remove()
    assert float((hooked - base).abs().max()) > 1e-2
    with ablation(lm, behaviour, direction=direction, layer=0).applied(lm):
        baked = logits(lm)
        assert float((baked - hooked).abs().max()) <= 1e-4
        lm.model.save_pretrained(tmp_path)
    again = LM(type(lm.model).from_pretrained(tmp_path), tokenizer)
    assert float((logits(again) - baked).abs().max()) <= 1e-4
    assert torch.equal(logits(lm), base)


@torch.no_grad()
def logits(lm):
    batch = lm.batch([lm.encode(text) for text in TEXTS])
    return lm.forward(batch).logits[batch.mask.bool()]


def module_of(lm, weight):
    """The module that multiplies with a matrix."""
    place = lm.tensor(weight.tensor).data_ptr()
    parts = [m for m in lm.model.modules() if isinstance(getattr(m, "weight", None), torch.Tensor)]
    (found,) = (m for m in parts if m.weight.data_ptr() == place)
    return found


def test_nothing_of_the_direction_is_left_in_bfloat16(tokenizer, behaviour):
    lm = tiny_llama(tokenizer, dtype=torch.bfloat16)
    direction = random_direction(lm)
    with ablation(lm, behaviour, direction=direction, layer=1).applied(lm):
        for layer in range(lm.anatomy.layers):
            for part in ("attn.o", "mlp.down"):
                old = next(w for w in lm.anatomy.weights(part) if w.site.layer == layer).matrix().float()
                assert float((direction.unit(1) @ old).abs().max()) <= 4e-3 * float(old.norm(dim=0).max())


def test_it_is_the_formula_on_linear_and_conv1d(tiny, behaviour):
    direction = random_direction(tiny)
    unit = direction.unit(1)
    tolerance = 0.05 if tiny.model.dtype == torch.bfloat16 else 1e-5
    for strength in (1.0, 0.4, -1.0):
        patch = ablation(tiny, behaviour, direction=direction, layer=1, strength=strength)
        for part in ("attn.o", "mlp.down"):
            for weight in tiny.anatomy.weights(part):
                old = weight.matrix().float().clone()
                expected = old - strength * unit[:, None] * (unit @ old)
                with patch.applied(tiny):
                    assert torch.allclose(weight.matrix().float(), expected, atol=tolerance)


def test_a_negative_strength_makes_it_stronger(llama, behaviour):
    direction = random_direction(llama)
    base = written(llama, 0, direction.unit(1))[0]
    with ablation(llama, behaviour, direction=direction, layer=1, strength=-1.0).applied(llama):
        assert written(llama, 0, direction.unit(1))[0] > 1.2 * base


def test_twice_is_once(llama, behaviour):
    direction = random_direction(llama)
    with ablation(llama, behaviour, direction=direction, layer=1).applied(llama):
        try:
            again = ablation(llama, behaviour, direction=direction, layer=1)
        except NoEffect:
            return
        assert again.provenance.effect["intended"] < 1e-4


def test_only_blocks_within_the_reach_are_touched(llama, behaviour):
    patch = ablation(llama, behaviour, direction=random_direction(llama), layer=1, peak=1.0, reach=0.3, mlp=0.0)
    assert set(patch.terms) == {"model.layers.2.self_attn.o_proj.weight"}


def test_the_direction_is_that_of_the_block_that_separates_best(llama, behaviour):
    found = directions(llama, behaviour)
    patch = ablation(llama, behaviour, seed=0)
    left = patch.terms["model.layers.0.mlp.down_proj.weight"][0].left[:, 0]
    cosines = [abs(float(left @ found.unit(layer) / left.norm())) for layer in range(3)]
    best = max(found.scores[layer].auc for layer in (0, 1, 2))
    assert found.scores[cosines.index(max(cosines))].auc == best
    assert max(cosines) > 0.999


def test_the_kernel_is_its_formula():
    assert LayerSchedule()(4) == [1.0] * 4
    assert LayerSchedule(1.5, peak=0.5, reach=0.5, least=0.5)(5) == [0.5, 1.0, 1.5, 1.0, 0.5]
    assert LayerSchedule(1.0, peak=1.0, reach=0.3, least=0.0)(3) == [0.0, 0.0, 1.0]
    assert LayerSchedule()(1) == [1.0]


def test_the_kernel_is_searched(llama, behaviour):
    direction = random_direction(llama)
    measure = Measure("drift", "drift", TEXTS[:2], "target", "higher", "how far the texts move")
    rungs = [
        Rung(
            Measured.of(
                llama, [measure, Measure("perplexity", "perplexity", TEXTS[:2], "keep", "lower", "ppl")], "drift"
            ),
            1,
        )
    ]
    found = explore(
        lambda settings: ablation(llama, behaviour, direction=direction, layer=1, **settings),
        drawn(SPACE, 3),
        rungs,
        TEXTS,
    )
    assert len(found.points) >= 4
    assert found.best is not None
    assert set(found.best.settings) == set(SPACE)


def test_nothing_is_never_a_success(llama, behaviour):
    for settings in ({"strength": 0.0}, {"attention": 0.0, "mlp": 0.0}, {"peak": 0.3, "reach": 0.0}):
        with pytest.raises((NoEffect, UsageError)):
            ablation(llama, behaviour, direction=random_direction(llama), layer=1, **settings)
