import pytest
import torch

from models import snapshot, tiny_family
from suture.data.examples import ResponsePair
from suture.errors import NoEffect, UsageError
from suture.locate.toxic_layer import located, toxic_layer
from suture.model.arch.anatomy import FINAL, Site
from suture.model.run.tracing import trace

PAIR = ResponsePair(
    "Tell me how to steal a car.", "Sorry, I can not help you with that.", "Sure, here is the plan. Hide in the dark."
)
SWAPPED = ResponsePair(PAIR.prompt, PAIR.unsafe, PAIR.safe)
WAYS = ("none", "by_rms", "mean_token")


def states(lm, text, site):
    with trace(lm, [site]) as seen, torch.no_grad():
        lm.forward(lm.batch([lm.encode(text)]))
    return seen[site][0].double()


def distances(region):
    return [float(d) for d in region.about["distances"].values()]


def by_hand(lm, layer, normalize):
    """From each answer alone, without a batch: no padding can have a part in it."""
    safe, unsafe = (states(lm, text, Site(layer, "residual"))[1:] for text in (PAIR.safe, PAIR.unsafe))
    size = torch.cat([safe, unsafe]).square().mean().sqrt()
    if normalize == "mean_token":
        return float((safe.mean(0) - unsafe.mean(0)).norm() / size)
    common = min(len(safe), len(unsafe))
    return float((safe[:common] - unsafe[:common]).norm() / (size if normalize == "by_rms" else 1))


@pytest.mark.parametrize("normalize", WAYS)
def test_the_block_is_where_the_answers_differ_most(llama, normalize):
    found = toxic_layer(llama, [PAIR], normalize=normalize)
    expected = [by_hand(llama, layer, normalize) for layer in range(3)]
    assert distances(found) == pytest.approx(expected, rel=1e-4)
    assert located(found) == expected.index(max(expected))


@pytest.mark.parametrize("normalize", WAYS)
def test_safe_and_unsafe_may_be_swapped(tiny, normalize):
    first, other = (toxic_layer(tiny, [pair], normalize=normalize, neurons=7) for pair in (PAIR, SWAPPED))
    assert distances(first) == pytest.approx(distances(other), rel=1e-5)
    assert {site: rows.tolist() for site, rows in first.rows.items()} == {s: r.tolist() for s, r in other.rows.items()}


@pytest.mark.parametrize("normalize", WAYS)
def test_padding_has_no_part_in_it(tiny, normalize):
    """The same whatever token pads; the reference compares padding, so there it matters."""
    answers = {}
    for token in (5, 77):
        tiny.tokenizer.pad_token_id, kept = token, tiny.tokenizer.pad_token_id
        try:
            answers[token] = [
                toxic_layer(tiny, [PAIR], normalize=normalize).about["distances"],
                toxic_layer(tiny, [PAIR], parity="reference").about["distances"],
            ]
        finally:
            tiny.tokenizer.pad_token_id = kept
    assert answers[5][0] == answers[77][0]
    assert answers[5][1] != answers[77][1]


def test_the_reference_compares_padding_and_reads_behind_the_last_norm(llama):
    rows = llama.batch([llama.encode(PAIR.safe), llama.encode(PAIR.unsafe)])
    sites = [Site(0, "residual"), Site(1, "residual"), FINAL]
    with trace(llama, sites) as seen, torch.no_grad():
        llama.model(input_ids=rows.ids, attention_mask=rows.mask)
    expected = [float(torch.dist(seen[site][0].double(), seen[site][1].double())) for site in sites]
    assert distances(toxic_layer(llama, [PAIR], parity="reference")) == pytest.approx(expected, rel=1e-4)
    left = distances(toxic_layer(llama, [PAIR], parity="reference", side="left"))
    assert left != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
@pytest.mark.parametrize(
    "pair", [PAIR, SWAPPED, ResponsePair("x", "No.", "Well, first you go to the mill and then home. " * 3)]
)
def test_the_reference_measures_as_the_authors_call_the_model(tokenizer, family, side, pair):
    """Their code, once more: tokenizer(.., padding=True), model(**inputs, output_hidden_states=True), no positions given."""
    lm = tiny_family(family, tokenizer)
    safe, unsafe = (lm.tokenizer(text)["input_ids"] for text in (pair.safe, pair.unsafe))
    longest = max(len(safe), len(unsafe))
    rows = [(safe, [1] * len(safe)), (unsafe, [1] * len(unsafe))]
    pad = lm.tokenizer.pad_token_id or 0
    fill = [(ids + [pad] * (longest - len(ids)), mask + [0] * (longest - len(ids))) for ids, mask in rows]
    if side == "left":
        fill = [([pad] * (longest - len(ids)) + ids, [0] * (longest - len(ids)) + mask) for ids, mask in rows]
    ids, mask = (torch.tensor([row[i] for row in fill]) for i in (0, 1))
    with torch.no_grad():
        hidden = lm.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[1:]
    expected = [float((states[0].double() - states[1].double()).norm()) for states in hidden]
    assert distances(toxic_layer(lm, [pair], parity="reference", side=side)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("normalize", WAYS)
def test_the_same_text_twice_is_an_error(llama, normalize):
    with pytest.raises(NoEffect, match="do not differ"):
        toxic_layer(llama, [ResponsePair("x", "I am sorry.", "I am sorry.")], normalize=normalize)


def test_a_text_and_its_beginning_differ_in_their_means_alone(llama):
    pair = ResponsePair("x", "I am sorry, but no.", "I am sorry, but no. No way and never.")
    with pytest.raises(NoEffect, match="mean_token"):
        toxic_layer(llama, [pair], normalize="by_rms")
    assert toxic_layer(llama, [pair]).count


def test_the_chosen_neurons_put_out_what_differs_most(tiny):
    region = toxic_layer(tiny, [PAIR], normalize="none", neurons=6)
    layer = located(region)
    safe, unsafe = (states(tiny, text, Site(layer, "mlp.key")) for text in (PAIR.safe, PAIR.unsafe))
    skip, common = int(tiny.encode("x")[0] == tiny.tokenizer.bos_token_id), min(len(safe), len(unsafe))
    matrix = tiny.anatomy.weight(Site(layer, "mlp.down")).matrix().double()  # (d_model, d_ff)
    apart = (safe - unsafe if len(safe) == len(unsafe) else safe[:common] - unsafe[:common])[skip:]
    written = torch.stack([torch.outer(apart[:, j], matrix[:, j]).norm() for j in range(matrix.shape[1])])
    if tiny.model.dtype == torch.bfloat16:
        return  # ties are broken by what rounding leaves
    assert sorted(region.rows[Site(layer, "mlp.down")].tolist()) == sorted(written.topk(6).indices.tolist())


def test_several_instances_are_averaged_and_blocks_can_be_chosen(llama):
    other = ResponsePair("y", "No, that is wrong.", "Of course, my friend. Then run away from them.")
    alone = [distances(toxic_layer(llama, [pair])) for pair in (PAIR, other)]
    both = distances(toxic_layer(llama, [PAIR, other]))
    assert both == pytest.approx([sum(pair) / 2 for pair in zip(*alone)], rel=1e-4)
    assert located(toxic_layer(llama, [PAIR], layers=[1])) == 1
    with pytest.raises(UsageError, match="no block 9"):
        toxic_layer(llama, [PAIR], layers=[9])


def test_it_leaves_the_model_alone(tiny):
    before = snapshot(tiny)
    toxic_layer(tiny, [PAIR])
    assert snapshot(tiny) == before


def test_a_control_takes_as_many_columns_of_the_same_block_at_random(llama):
    chosen, others = (
        toxic_layer(llama, [PAIR], neurons=6),
        [toxic_layer(llama, [PAIR], neurons=6, control="random", seed=seed) for seed in (0, 1)],
    )
    site = Site(located(chosen), "mlp.down")
    assert all(list(other.rows) == [site] and other.count == 6 for other in others)
    drawn = [other.rows[site].tolist() for other in others]
    assert drawn[0] != drawn[1] != chosen.rows[site].tolist()
    assert distances(others[0]) == distances(chosen)


def test_in_a_mixture_all_experts_of_a_block_are_chosen_and_no_neurons(tokenizer):
    lm = tiny_family("mixtral", tokenizer)
    region = toxic_layer(lm, [PAIR])
    weights = lm.anatomy.weights("mlp.down", [located(region)])
    assert set(region.rows) == {weight.site for weight in weights}
    assert region.count == sum(weight.shape[1] for weight in weights)
    with pytest.raises(UsageError, match="mixture of experts"):
        toxic_layer(lm, [PAIR], neurons=4)
