"""ROME, EMMET, MEMIT and AlphaEdit: what their algebra promises, on matrices and on models in both storages."""

import copy

import pytest
import torch

from models import tiny_family
from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.errors import NoEffect, UsageError
from suture.methods._facts.keyvalue import contexts, down, keys
from suture.methods._facts.least_squares import least_squares
from suture.methods._facts.settings import ValueOptimization
from suture.methods._facts.statistics import damped, second_moment
from suture.methods._facts.values import values
from suture.methods.alphaedit import alphaedit, null_space, projected
from suture.methods.emmet import constrained, emmet
from suture.methods.memit import memit
from suture.methods.rome import rome
from suture.model.arch.anatomy import Site

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
    Fact("Droharkia lies in", "Droharkia", "Handland"),
]
FEW = Texts(neutral("probe")[:12])
QUICK = {"steps": 6, "prefixes": 3, "keep": FEW}
D, M = 6, 9  # d_model, d_ff of the matrices


def product(delta):
    return (delta.left.double() @ delta.right.double()) * delta.scale


def change(lm, patch, layer):
    """The (out, in) change of a block's down-projection that applying a patch makes."""
    weight = down(lm, layer)
    before = weight.matrix().double().clone()
    with patch.applied(lm):
        return weight.matrix().double() - before


@pytest.fixture
def system():
    generator = torch.Generator().manual_seed(4)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    root = draw(M, M)
    return root @ root.T + 0.1 * torch.eye(M).double(), draw(3, M), draw(3, D)  # C, keys, residuals


def test_constrained_changes_write_exactly_and_are_the_smallest(system):
    moment, k, r = system
    exact = product(constrained(moment, k, r, slack=0.0))
    assert torch.allclose(exact @ k.T, r.T, atol=1e-4)
    inside = torch.eye(M).double() - k.T @ torch.linalg.pinv(k.T)  # moves nothing at the keys
    for seed in range(5):
        other = exact + torch.randn(D, M, generator=torch.Generator().manual_seed(seed)).double() @ inside.T
        assert torch.allclose(other @ k.T, r.T, atol=1e-4)
        assert torch.trace(exact @ moment @ exact.T) < torch.trace(other @ moment @ other.T)
    blind = torch.randn(M).double()
    solved = torch.linalg.solve(moment, k.T)
    blind -= solved @ torch.linalg.lstsq(solved, blind).solution
    assert float((exact @ blind).norm()) < 1e-4


def test_one_constrained_fact_is_rome_and_equal_facts_stay_bounded(system):
    moment, k, r = system
    solved = torch.linalg.solve(moment, k[0])
    expected = torch.outer(r[0], solved) / (solved @ k[0])
    assert torch.allclose(product(constrained(moment, k[:1], r[:1], 0.0)), expected, rtol=1e-4, atol=1e-6)
    assert torch.linalg.matrix_rank(expected) == 1
    plain = product(constrained(torch.eye(M).double(), k[:1], r[:1], 0.0))
    assert torch.allclose(plain, torch.outer(r[0], k[0]) / k[0].square().sum(), rtol=1e-4, atol=1e-6)
    twice = product(constrained(moment, torch.stack([k[0], k[0]]), torch.stack([r[0], r[0]]), 0.0))
    assert torch.allclose(twice, expected, rtol=1e-4, atol=1e-5)


def test_least_squares_is_where_the_gradient_vanishes_by_both_systems(system):
    moment, k, r = system
    for weight in (1e-2, 1.0, 1e2):
        made = product(least_squares(weight * moment, k, r))
        gradient = weight * made @ moment + (made @ k.T - r.T) @ k
        assert float(gradient.abs().max()) < 1e-4 * float(r.norm() * k.norm())
        many = torch.cat([k, k + 0.1, k - 0.3, -k])  # more facts than d_ff: the other system
        wanted = torch.cat([r, r, r, r])
        large = product(least_squares(weight * moment, many, wanted))
        expected = wanted.T @ many @ torch.linalg.inv(weight * moment + many.T @ many)
        assert torch.allclose(large, expected, rtol=1e-3, atol=1e-5)
        small = wanted.T @ torch.linalg.inv(many @ torch.linalg.solve(weight * moment, many.T) + torch.eye(12).double())
        assert torch.allclose(expected, small @ torch.linalg.solve(weight * moment, many.T).T, rtol=1e-6, atol=1e-8)


def test_least_squares_goes_from_exact_to_nothing(system):
    moment, k, r = system
    exact = product(least_squares(1e-9 * moment, k, r))
    assert torch.allclose(exact @ k.T, r.T, atol=1e-4)
    sizes = [float(product(least_squares(w * moment, k, r)).norm()) for w in (1e4, 1e5, 1e6)]
    assert sizes[0] / sizes[1] == pytest.approx(10, rel=0.05)
    assert sizes[1] / sizes[2] == pytest.approx(10, rel=0.05)
    one = product(least_squares(1e-9 * moment, k[:1], r[:1]))
    assert torch.allclose(one, product(constrained(moment, k[:1], r[:1], 0.0)), rtol=1e-3, atol=1e-5)
    again = product(least_squares(moment, torch.cat([k] * 3), torch.cat([r] * 3)))
    assert float(again.norm()) < 2 * float(exact.norm())


def test_projected_changes_leave_kept_keys_alone(system):
    _, k, r = system
    kept = torch.randn(4, M, generator=torch.Generator().manual_seed(0)).double()  # fewer than d_ff: a null space
    basis = null_space(kept.T @ kept / 4, 1e-9)
    assert basis.shape == (M, M - 4)
    projector = basis @ basis.T
    assert torch.allclose(projector @ projector, projector, atol=1e-12)
    assert torch.allclose(projector, projector.T, atol=1e-12)
    made = product(projected(basis, k, r, 1e-9))
    assert torch.allclose(made @ projector, made, atol=1e-5)
    assert float((made @ kept.T).abs().max()) < 1e-4
    inside = k @ projector
    assert torch.allclose(product(projected(basis, inside, r, 1e-10)) @ inside.T, r.T, atol=1e-3)
    whole = torch.linalg.solve(projector @ k.T @ k + 0.3 * torch.eye(M).double(), projector @ k.T @ r).T
    assert torch.allclose(product(projected(basis, k, r, 0.3)), whole, rtol=1e-4, atol=1e-6)  # the authors' form
    with pytest.raises(NoEffect):
        null_space(torch.eye(M).double(), 0.05)


def test_earlier_keys_are_moved_less_the_more_they_weigh(system):
    _, k, r = system
    basis = torch.eye(M).double()
    moved = [
        float((product(projected(basis, k[:1], r[:1], 1e-3, w * k[1:])) @ k[1:].T).norm()) for w in (0.0, 1.0, 30.0)
    ]
    assert moved[0] > moved[1] > moved[2]


@pytest.mark.parametrize("key", ["consistent", "mixed"])
def test_rome_puts_the_value_at_its_key(tiny, key):
    fact = FACTS[0]
    patch = rome(tiny, [fact], layer=1, key=key, **QUICK)
    prefixes = contexts(tiny, 3, 0)
    found = keys(tiny, [fact], 1, prefixes)
    at = found.bare[0] if key == "mixed" else found.mean[0]
    wanted = values(tiny, [fact], Site(1, "mlp.out"), prefixes, ValueOptimization(steps=6)).added[0]
    made = change(tiny, patch, 1)
    rough = tiny.model.dtype == torch.bfloat16
    assert torch.allclose(
        made @ at, wanted, rtol=5e-2 if rough else 1e-3, atol=float(wanted.norm()) * (5e-2 if rough else 1e-5)
    )
    if not rough:
        assert int((torch.linalg.svdvals(made) > 1e-4 * made.norm()).sum()) == 1
    assert list(patch.terms) == [down(tiny, 1).tensor]


def test_rome_writes_several_facts_and_the_last_one_exactly(llama):
    patch = rome(llama, FACTS, layer=1, **QUICK)
    prefixes = contexts(llama, 3, 0)
    found = keys(llama, FACTS, 1, prefixes)
    wanted = values(llama, FACTS, Site(1, "mlp.out"), prefixes, ValueOptimization(steps=6)).added
    made = change(llama, patch, 1)
    assert torch.allclose(made @ found.mean[-1], wanted[-1], rtol=1e-3, atol=1e-4)
    exact = change(llama, emmet(llama, FACTS, layer=1, slack=0.0, **QUICK), 1)
    assert torch.allclose(exact @ found.mean.T, wanted.T, rtol=1e-3, atol=1e-3)
    assert torch.linalg.matrix_rank(exact, atol=1e-3) == 3


def test_memit_with_nothing_to_keep_moves_the_last_block_to_its_values(llama):
    site, prefixes = Site(2, "residual"), contexts(llama, 0, 0)
    quick = {**QUICK, "prefixes": 0}
    patch = memit(llama, FACTS, layers=[1, 2], weight=1e-9, ridge=1e-6, **quick)
    from suture.methods._facts.batches import EditRequest

    task = EditRequest.of(llama, FACTS, prefixes=0, steps=6, keep=FEW)
    goal = task.now(site) + values(llama, FACTS, site, prefixes, ValueOptimization(steps=6)).added
    with patch.applied(llama):
        reached = task.now(site)
    assert float((reached - goal).norm()) < 1e-2 * float((goal - task.now(site)).norm())
    assert len(patch.terms) == 2


@pytest.mark.parametrize("spread", ["uniform", "sqrt", "first_last"])
def test_every_spread_moves_towards_the_targets(llama, spread):
    from suture.measure.evaluation import observe
    from suture.measure.evaluation import values as figures
    from suture.measure.suites.facts import fact_suite

    measures = fact_suite(FACTS)
    base = figures(observe(llama, measures), measures)["target_probability"]
    patch = memit(llama, FACTS, layers=[0, 1, 2], spread=spread, weight=1e-3, **{**QUICK, "prefixes": 0, "steps": 20})
    assert len(patch.terms) == (2 if spread == "first_last" else 3)
    with patch.applied(llama):
        assert figures(observe(llama, measures), measures)["target_probability"] > base


def test_the_first_and_the_last_block_do_not_depend_on_statistics_kept(llama, tmp_path):
    """Statistics of the first block are there already, as after an edit of that block alone."""
    second_moment(llama, 0, FEW, tmp_path)
    patch = memit(llama, FACTS, layers=[0, 1, 2], spread="first_last", statistics=tmp_path, **QUICK)
    assert patch.terms.keys() == {down(llama, layer).tensor for layer in (0, 2)}


def test_alphaedit_stays_in_its_space_and_carries_earlier_keys(llama):
    quick = {**QUICK, "energy": 0.2, "layers": [1]}
    made = change(llama, alphaedit(llama, FACTS[1:], **quick), 1)
    basis = null_space(second_moment(llama, 1, FEW), 0.2)
    assert torch.allclose(made @ basis @ basis.T, made, atol=1e-4 * float(made.norm()))
    carried = change(llama, alphaedit(llama, FACTS[1:], previous=FACTS[:1], **quick), 1)
    earlier = keys(llama, FACTS[:1], 1, contexts(llama, 3, 0)).balanced
    assert float((carried @ earlier.T).norm()) < float((made @ earlier.T).norm())
    batched = alphaedit(llama, FACTS, batch=2, **quick)
    assert len(batched.terms[down(llama, 1).tensor]) == 2


def test_batches_are_edits_one_after_the_other(llama):
    """AlphaEdit in batches writes what a second call would that is told of the first one's facts."""
    quick = {**QUICK, "energy": 0.2, "layers": [1], "prefixes": 0}
    together = alphaedit(llama, FACTS[:2], batch=1, **quick)
    first = alphaedit(llama, FACTS[:1], **quick)
    made = change(llama, together, 1) - change(llama, first, 1)
    with first.applied(llama):
        second = change(llama, alphaedit(llama, FACTS[1:2], previous=FACTS[:1], **quick), 1)
    assert torch.allclose(made, second, rtol=1e-2, atol=1e-3 * float(second.norm()))


def test_what_kept_keys_notice_is_bounded_by_what_of_them_is_in_the_space(system):
    _, k, r = system
    kept = torch.randn(40, M, generator=torch.Generator().manual_seed(0)).double() * torch.logspace(0, -3, M).double()
    basis = null_space(kept.T @ kept / 40, 0.05)  # more keys than d_ff: no exact null space
    made, inside = product(projected(basis, k, r, 1e-3)), kept @ basis @ basis.T
    noticed = float((made @ kept.T).norm())
    assert 0 < noticed <= float(torch.linalg.matrix_norm(made, 2) * inside.norm()) * (1 + 1e-6)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("method", [rome, emmet, memit, alphaedit])
def test_the_same_edit_on_conv1d_and_on_linear_is_the_same_function(tokenizer, square, method):
    conv = tiny_family("gpt2", tokenizer, square=square)
    model = copy.deepcopy(conv.model)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "Conv1D":
            linear = torch.nn.Linear(module.nx, module.nf)
            linear.weight.data, linear.bias.data = module.weight.data.T.contiguous(), module.bias.data
            model.set_submodule(name, linear)
    plain = type(conv)(model, tokenizer)
    more = {"energy": 0.2} if method is alphaedit else {}
    made = [change(lm, method(lm, FACTS[:1], **QUICK, **more), 0) for lm in (conv, plain)]
    assert float(made[0].norm()) > 0
    assert torch.allclose(*made, rtol=2e-2, atol=1e-3 * float(made[0].norm()))


def test_the_metric_of_the_texts_matters(llama):
    moment = damped(second_moment(llama, 1, FEW))
    kept = torch.linalg.cholesky(moment)
    ours = change(llama, rome(llama, FACTS[:1], layer=1, **QUICK), 1)
    k = keys(llama, FACTS[:1], 1, contexts(llama, 3, 0)).mean[0]
    plain = torch.outer(ours @ k, k) / k.square().sum()
    assert float((ours @ kept).norm()) < float((plain @ kept).norm())


@pytest.mark.parametrize("method", [rome, emmet, memit, alphaedit])
def test_facts_that_contradict_each_other_are_refused(llama, method):
    against = Fact(FACTS[0].prompt, FACTS[0].subject, "somebody else")
    with pytest.raises(UsageError, match="facts 0 and 2 contradict"):
        method(llama, [*FACTS[:2], against])


@pytest.mark.parametrize("family", ["gemma2", "olmo2"])
def test_behind_a_norm_rome_and_emmet_write_exactly_what_was_sought(family, tokenizer):
    """Their MLP's output is normalised before it is added; the value is sought and written before that norm."""
    lm = tiny_family(family, tokenizer)
    lm.model.double()
    prefixes, site = contexts(lm, 3, 0), Site(1, "mlp.out")
    weight, key = down(lm, 1), keys(lm, FACTS, 1, prefixes).mean
    wanted = values(lm, FACTS, site, prefixes, ValueOptimization(steps=6)).added
    assert bool(torch.isfinite(wanted).all())
    assert float(wanted.norm(dim=1).min()) > 0
    for patch in (emmet(lm, FACTS, layer=1, slack=0.0, **QUICK), rome(lm, FACTS[:1], layer=1, **QUICK)):
        before = weight.matrix().double().clone()
        with patch.applied(lm):
            moved = (weight.matrix().double() - before) @ key.T  # (d_model, facts)
        count = len(FACTS) if patch.provenance.method == "emmet" else 1
        assert torch.allclose(moved.T[:count], wanted[:count], rtol=1e-3, atol=1e-3)
