import pytest
import torch

from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.errors import NoEffect, UsageError
from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods._trained.loop import Full, TokenizedTarget, in_effect
from suture.methods.crispedit import Curve, Flat, crispedit, curvature
from suture.methods.finetune import finetune
from suture.model.arch.anatomy import Site

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
]
FEW = Texts(neutral("probe")[:6])
QUICK = {"layers": [1], "keep": FEW, "rate": 5e-3}
OUT, IN = 5, 8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def curve():
    read, write = draw(IN, IN), draw(OUT, OUT, seed=1)
    return Curve(read @ read.T, write @ write.T)


def made(patch, lm, layer=1):
    """The (out, in) change that a patch makes."""
    weight = lm.anatomy.weight(Site(layer, "mlp.down"))
    (term,) = patch.terms[weight.tensor]
    return term.values.T if weight.transposed else term.values


def moved(lm, texts, change, size):
    """By how much logits move on texts for a change of a length."""
    own = Full.of(lm.anatomy.weight(Site(1, "mlp.down")))
    own.values.data.copy_(change * size)
    batch = lm.batch([lm.encode(text) for text in texts])
    with torch.no_grad():
        base = lm.forward(batch).logits
        with in_effect(lm, [own]):
            return float(((lm.forward(batch).logits - base) * batch.mask[..., None]).norm())


@pytest.mark.parametrize("energy", [0.3, 0.8, 0.99])
def test_the_projection_is_one(curve, energy):
    flat = Flat.of(curve, energy)
    one, other = draw(OUT, IN, seed=2), draw(OUT, IN, seed=3)
    kept = flat.project(one)
    assert torch.allclose(flat.project(kept), kept, atol=1e-12)
    assert float((flat.project(one) * other).sum()) == pytest.approx(float((one * flat.project(other)).sum()))
    assert 0 < float(kept.norm()) < float(one.norm())


def test_what_is_left_alone_holds_the_energy_and_no_more_than_it_must(curve):
    flat = Flat.of(curve, 0.8)
    sharp = torch.outer(torch.linalg.eigvalsh(curve.write), torch.linalg.eigvalsh(curve.read))
    left = sharp[~flat.free]
    assert float(left.sum()) >= 0.8 * float(sharp.sum())
    assert float(left.sum() - left.min()) < 0.8 * float(sharp.sum())
    assert float(sharp[flat.free].max()) < float(left.min())
    assert bool(Flat.of(curve, 0.0).free.all())
    with pytest.raises(NoEffect):
        Flat.of(curve, 1.0)


def test_a_step_of_adam_leaves_the_subspace_unless_it_is_projected(curve):
    flat = Flat.of(curve, 0.99)
    kept = flat.project(draw(OUT, IN, seed=2))
    sign = kept.sign()  # Adam's first step
    assert float((sign - flat.project(sign)).norm()) > 0.2 * float(sign.norm())


def test_flat_for_the_null_space_of_the_keys_is_flat_here(curve):
    """What AlphaEdit may change with its whole null space, this may, too: no key of the texts sees it."""
    keys = draw(3, IN, seed=4)
    flat = Flat.of(Curve(keys.T @ keys, curve.write), 1 - 1e-9)
    blind = torch.linalg.eigh(keys.T @ keys)[1][:, : IN - 3]
    change = draw(OUT, IN - 3, seed=5) @ blind.T
    assert torch.allclose(flat.project(change), change, atol=1e-8)


def test_with_nothing_to_keep_it_is_plain_training(tiny):
    plain = made(finetune(tiny, FACTS, layer=1, rate=5e-3, steps=10), tiny)
    ours = made(crispedit(tiny, FACTS, energy=0.0, steps=10, **QUICK), tiny)
    assert torch.allclose(plain, ours, atol=5e-4)


@pytest.mark.parametrize("project", ["step", "gradient"])
def test_only_projected_steps_stay_where_the_texts_see_nothing(llama, project):
    """Fewer tokens than d_ff, but more than d_model: what is flat is the null space of the keys, which no text notices."""
    words = " ".join(FEW).split()
    count = next(n for n in range(len(words)) if len(llama.encode(" ".join(words[:n]))) > 40)
    texts = Texts([" ".join(words[:count])])
    assert 32 < len(llama.encode(texts[0])) < 48
    patch = crispedit(llama, FACTS, energy=1 - 1e-11, project=project, **{**QUICK, "keep": texts})
    change = made(patch, llama)
    noticed, usual = (moved(llama, texts, each, 1.0) for each in (change, draw(*change.shape).float() * change.std()))
    assert noticed < 1e-3 * usual if project == "step" else noticed > 1e-2 * usual
    assert moved(llama, ["Something else entirely."], change, 1.0) > 1e-2 * usual


def test_flat_directions_are_noticed_less(tiny):
    texts = Texts(neutral("probe")[:40])
    held = [TokenizedTarget(tiny.encode(text), 1) for text in texts]
    (curve,) = curvature(tiny, [tiny.anatomy.weight(Site(1, "mlp.down"))], held, 0)
    change, flat = draw(len(curve.write), len(curve.read)).float(), Flat.of(curve, 0.9)
    inside, outside = flat.project(change), change - flat.project(change)
    noticed = [moved(tiny, texts[:8], each / each.norm(), 1e-1) for each in (inside, outside)]
    assert noticed[0] < 0.7 * noticed[1]


def test_the_curvature_is_that_of_every_text_alone(llama):
    weight = llama.anatomy.weight(Site(1, "mlp.down"))
    held = [TokenizedTarget(llama.encode(text), 1) for text in FEW]
    (together,) = curvature(llama, [weight], held, 0)
    alone = [curvature(llama, [weight], [line], 0)[0] for line in held]
    total = sum(len(line.ids) for line in held)
    read = sum(curve.read * len(line.ids) for curve, line in zip(alone, held, strict=True)) / total
    assert torch.allclose(together.read, read, rtol=1e-4, atol=1e-6)
    assert bool((torch.linalg.eigvalsh(together.write) > -1e-12).all())


def test_the_targets_become_likelier(tiny):
    measures = fact_suite(FACTS)
    base = values(observe(tiny, measures), measures)["target_probability"]
    patch = crispedit(tiny, FACTS, energy=0.5, steps=30, **QUICK)
    with patch.applied(tiny):
        assert values(observe(tiny, measures), measures)["target_probability"] > 2 * base


def test_earlier_facts_are_left_alone(llama):
    asked = [fact.prompt for fact in FACTS[:1]]
    sizes = []
    for previous in (None, FACTS[:1] * 30):
        patch = crispedit(llama, FACTS[1:], energy=0.9, previous=previous, steps=10, **QUICK)
        sizes.append(moved(llama, asked, made(patch, llama), 1.0) / float(made(patch, llama).norm()))
    assert sizes[1] < 0.8 * sizes[0]


def test_experts_are_refused(tokenizer):
    from models import tiny_family

    with pytest.raises(UsageError, match="mixture"):
        crispedit(tiny_family("mixtral", tokenizer), FACTS, **QUICK)
