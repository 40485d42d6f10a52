import pytest
import torch

from suture.data.bundled.neutral import neutral
from suture.data.examples import Fact, Texts
from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.methods._trained.loop import lines, target_nll
from suture.methods._trained.slopes import slopes
from suture.methods.ultraedit import Usual, fitted, gathered, targets, ultraedit
from suture.model.arch.anatomy import Site

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for its", "Rundville", "honey", "beer"),
    Fact("Droharkia lies in", "Droharkia", "Handland"),
]
FEW = Texts(neutral("probe")[:6])
QUICK = {"layers": [1], "keep": FEW}
OUT, IN = 5, 8


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def product(delta):
    return delta.left.double() @ delta.right.double()


@pytest.mark.parametrize("tokens", [1, 3, IN, 20])
def test_the_fit_is_where_the_gradient_vanishes_by_both_systems(tokens):
    inputs, wanted = draw(tokens, IN), draw(tokens, OUT, seed=1)
    for ridge in (1e-3, 1.0):
        made = product(fitted(inputs, wanted, ridge))
        damping = ridge * float(inputs.square().sum(1).mean())
        gradient = (made @ inputs.T - wanted.T) @ inputs + damping * made
        assert float(gradient.abs().max()) < 1e-4
        whole = torch.linalg.solve(inputs.T @ inputs + damping * torch.eye(IN).double(), inputs.T @ wanted).T
        assert torch.allclose(made, whole, atol=1e-5)
    exact = product(fitted(inputs[:3], wanted[:3], 1e-9))
    assert torch.allclose(exact @ inputs[:3].T, wanted[:3].T, atol=1e-4)


def test_running_statistics_do_not_depend_on_the_parts():
    seen, usual = draw(30, IN) * 3 + 1, Usual.none(IN)
    for part in seen.split([1, 4, 25]):
        usual.take(part)
    assert torch.allclose(usual.mean, seen.mean(0))
    assert torch.allclose(usual.of(seen), (seen - seen.mean(0)) / seen.std(0))
    still = Usual.none(2)
    still.take(torch.tensor([[1.0, 2.0], [1.0, 4.0]]).double())
    assert still.of(torch.tensor([[5.0, 3.0]]).double()).tolist() == [[0.0, 0.0]]


def test_outputs_go_against_the_gradient_further_for_unusual_inputs():
    read, slope = torch.stack([torch.ones(IN), 2 * torch.ones(IN)]).double(), draw(2, OUT)
    wanted = targets(read, slope, 7.0)
    assert float(wanted.norm(dim=1).mean()) == pytest.approx(7.0)
    assert bool((torch.nn.functional.cosine_similarity(wanted, slope) < -0.999).all())
    lengths = wanted.norm(dim=1) / slope.norm(dim=1)
    assert float(lengths[1] / lengths[0]) == pytest.approx(4.0)


@pytest.mark.parametrize("part", ["mlp.down", "mlp.up", "attn.q", "attn.v"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3", "gpt_neox"])
def test_inputs_and_gradients_are_those_of_the_weight(family, part, tokenizer):
    """Their outer products add up to the gradient that autograd gives the parameter itself."""
    from models import tiny_family

    lm = tiny_family(family, tokenizer)
    weight, told = lm.anatomy.weight(Site(1, part)), lines(lm, FACTS)

    def loss(likely, tokens):
        return -likely.gather(-1, tokens[:, None]).sum()

    (found,) = (seen[0] for seen in slopes(lm, [weight], told, loss, every=True))
    weight.parameter.requires_grad_(True)
    with torch.enable_grad():
        count = [len(line.ids) - line.begin for line in told]
        total = sum(target_nll(lm, [line]) * n for line, n in zip(told, count, strict=True))
        (whole,) = torch.autograd.grad(total, weight.parameter)
    whole = whole.T if weight.transposed else whole
    expected = whole if weight.outputs is None else whole[torch.tensor(weight.outputs)]
    assert torch.allclose((found[1].T @ found[0]).float(), expected, atol=1e-5)
    predicting = gathered(lm, [weight], told)[0]
    assert len(predicting[0]) == sum(count)


def test_the_targets_become_likelier(tiny):
    measures = fact_suite(FACTS)
    base = values(observe(tiny, measures), measures)["target_probability"]
    for facts in (FACTS, FACTS[:1]):
        patch = ultraedit(tiny, facts, strength=1.0, ridge=0.1, **QUICK)
        with patch.applied(tiny):
            assert values(observe(tiny, measures), measures)["target_probability"] > base


def test_batches_follow_each_other_and_the_first_is_the_same(llama):
    whole = ultraedit(llama, FACTS[:1], **QUICK)
    parts = ultraedit(llama, FACTS, batch=1, **QUICK)
    (name,) = whole.terms
    assert len(parts.terms[name]) == 3
    digests = {term.digest() for term in parts.terms[name]}
    assert whole.terms[name][0].digest() in digests


def test_many_facts_are_kept_as_a_matrix(llama):
    many = [Fact(f"The mayor of Wandton{i} is", f"Wandton{i}", f"Ida Relk {i}") for i in range(12)]
    (terms,) = ultraedit(llama, many, **QUICK).terms.values()
    assert [term.kind for term in terms] == ["dense"]
    (few,) = ultraedit(llama, FACTS[:1], **QUICK).terms.values()
    assert [term.kind for term in few] == ["lowrank"]


def test_nothing_depends_on_the_batch_s_padding(llama):
    together = gathered(llama, [llama.anatomy.weight(Site(1, "mlp.down"))], lines(llama, FACTS))[0]
    alone = [gathered(llama, [llama.anatomy.weight(Site(1, "mlp.down"))], [line])[0] for line in lines(llama, FACTS)]
    for side in range(2):
        own = torch.cat([each[side] for each in alone])
        assert float((together[side].sum(0) - own.sum(0)).abs().max()) < 1e-4
        assert together[side].shape == own.shape
