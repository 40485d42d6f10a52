import pytest
import torch

from suture.data.examples import Labelled
from suture.errors import UsageError
from suture.locate.activity import activity, firing_rates
from suture.locate.region import Region
from suture.model.arch.anatomy import Site
from suture.model.run.tracing import trace
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

TEXTS = [Labelled(t, 0) for t in ("You are a friend.", "Hello", "The capital of Velmora is a city near the sea.")]


def region_of(part, chosen):
    rows = {Site(layer, part): torch.tensor(numbers) for layer, numbers in chosen.items()}
    return Region(rows, {site: torch.zeros(len(n)) for site, n in rows.items()}, 144, {})


def directly(lm, layer, neuron, text):
    """The share of tokens after the start token on which W x + b is positive, from the MLP's input."""
    weight = lm.anatomy.weight(Site(layer, lm.anatomy.first))
    site = Site(layer, "mlp.in")
    with trace(lm, [site]) as seen, torch.no_grad():
        lm.forward(lm.batch([lm.encode(text)]))
    bias = getattr(lm.anatomy.owner(weight.tensor)[0], "bias", None)
    skip = 1 if lm.encode(text)[0] == lm.tokenizer.bos_token_id else 0
    z = seen[site][0, skip:] @ weight.matrix()[neuron] + (0 if bias is None else bias[neuron])
    return float((z > 0).float().mean())


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("part", ["first", "mlp.down"])
def test_rates_are_those_of_a_direct_computation(request, name, part):
    lm = request.getfixturevalue(name)
    chosen = {0: [3, 17], 2: [0, 31, 40]}
    region = region_of(lm.anatomy.first if part == "first" else part, chosen)
    rates = firing_rates(lm, region, TEXTS)
    expected = [
        sum(directly(lm, layer, neuron, e.text) for e in TEXTS) / len(TEXTS)
        for layer, neurons in chosen.items()
        for neuron in neurons
    ]
    assert rates.tolist() == pytest.approx(expected, abs=1e-6)
    assert 0 < float(rates.mean()) < 1


def test_only_the_answer_of_a_chat_is_counted(llama):
    region = region_of("mlp.gate", {1: list(range(48))})
    short, long = (
        firing_rates(llama, region, [Labelled("Sure, here.", 0, p)]) for p in ("Hi?", "How do I bake bread?")
    )
    assert not torch.equal(short, long)  # the answer sees its request
    ids, begin = llama.encode_chat("Hi?", "Sure, here.")
    with trace(llama, [Site(1, "mlp.gate")]) as seen, torch.no_grad():
        llama.forward(llama.batch([ids]))
    assert short.tolist() == pytest.approx((seen[Site(1, "mlp.gate")][0, begin:] > 0).float().mean(0).tolist())


def test_activity_sees_the_patch_and_leaves_the_model(llama, behaviour):
    region = region_of("mlp.gate", {1: [2, 5]})
    weight = llama.anatomy.weight(Site(1, "mlp.gate"))
    zero = -weight.matrix()[5:6].clone()  # a gate row of zeros never fires
    patch = Patch.make(
        llama, {weight.tensor: LowRank(torch.ones(1, 1), zero, rows=torch.tensor([5]))}, method="x", settings={}
    )
    found = activity(llama, patch, region, behaviour)
    assert found.unwanted_after[1] == 0
    assert found.unwanted_before[1] > 0
    assert found.wanted_after[0] == found.wanted_before[0]
    again = activity(llama, patch, region, behaviour)
    assert again == found


def test_rows_of_attention_do_not_fire(llama):
    with pytest.raises(UsageError, match="can not be counted"):
        firing_rates(llama, region_of("attn.o", {0: [1]}), TEXTS)
