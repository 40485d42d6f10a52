"""Sinks are found wherever they stand, and what is read depends neither on them nor on the scale of the states."""

import copy
from dataclasses import replace

import pytest
import torch
from tokenizers.processors import Sequence

from models import FAMILIES, tiny_family
from realistic import PRE_NORM, SINK_BLOCK, first_sink, position_sink, stretched, token_sink
from suture import LM
from suture.data.examples import Behaviour, Labelled, ResponsePair, Texts
from suture.locate import directions as locate_directions
from suture.locate import probe as locate_probe
from suture.locate.activity import firing_rates
from suture.locate.directions import directions
from suture.locate.effect_rows import effect_rows
from suture.locate.probe import fit_probe, whitened_probe
from suture.locate.probe_rows import probe_rows
from suture.locate.region import Region
from suture.locate.toxic_layer import located, toxic_layer
from suture.methods._facts.statistics import second_moment
from suture.methods.steering import steering
from suture.model.arch.anatomy import FINAL, Site
from suture.model.run.features import extract
from suture.model.run.pooling import StateLengths, averaging
from suture.model.run.tracing import trace

TEXTS = ["You are a friend, I think.", "Hello", "The capital of Velmora is a city, near the sea.", "One two three."]
PAIR = ResponsePair(
    "How do I bake a cake?", "I am sorry, I can not help with that.", "First, take some flour and eggs."
)
DELIMITERS = ",.:;"


def bare(tokenizer):
    """The same tokenizer, which writes no start token: SmolLM2's and Qwen's do not."""
    other = copy.deepcopy(tokenizer)
    other.backend_tokenizer.post_processor = Sequence([])
    return other


@pytest.fixture(params=["first", "third", "delimiters", "gemma"])
def planted(request, tokenizer):
    """A model with sinks, and where they stand in ids."""
    marks = [tokenizer.encode(mark)[-1] for mark in DELIMITERS]
    start = tokenizer.bos_token_id
    if request.param == "first":
        return first_sink("llama", bare(tokenizer)), lambda ids: [0]
    if request.param == "third":
        return position_sink(tokenizer, 3), lambda ids: [3] if len(ids) > 3 else []
    if request.param == "delimiters":
        return token_sink("qwen2", tokenizer, marks), lambda ids: [i for i, token in enumerate(ids) if token in marks]
    return token_sink("gemma3_text", tokenizer, [start]), lambda ids: [
        i for i, token in enumerate(ids) if token == start
    ]


@torch.no_grad()
def states_of(lm, ids, site):
    with trace(lm, [site]) as seen:
        lm.forward(lm.batch([ids]), head=False)
    return seen[site][0].float()


def reading_all_but(places):
    """A stand-in for `extract`: each text alone, start token and these places left out by hand."""

    def extract_by_hand(lm, examples, sites, *, see=None, **_):
        features = []
        for example in examples:
            ids = lm.encode(example.text)
            kept = [i for i in range(len(ids)) if ids[i] != lm.tokenizer.bos_token_id and i not in places(ids)]
            states = [states_of(lm, ids, site)[kept] for site in sites]
            features.append(torch.stack([(see(x) if see else x).mean(0) for x in states]))
        return torch.stack(features)

    return extract_by_hand


@torch.no_grad()
def sinks_of(lm, rows):
    usual, batch = StateLengths.of(lm), lm.batch(rows)
    with usual.traced(lm, [FINAL]) as (_, lengths):
        lm.forward(batch, head=False)
    return [row.nonzero().flatten().tolist() for row in usual.sinks(lengths, batch.mask)]


def test_sinks_are_found_where_they_stand(planted):
    lm, places = planted
    rows = [lm.encode(text) for text in TEXTS]
    assert sinks_of(lm, rows) == [places(row) for row in rows]
    assert [sinks_of(lm, [row])[0] for row in rows] == [places(row) for row in rows], "alone as beside others"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_ordinary_model_has_none_at_any_scale(family, tokenizer):
    lm = tiny_family(family, tokenizer)
    rows = [lm.encode(text) for text in TEXTS]
    assert sinks_of(lm, rows) == [[]] * len(rows)
    assert StateLengths.of(lm).places == ()


def test_the_bundled_model_has_none():
    lm = LM.load("patient")
    examples = Behaviour.load("patient:tone").examples[::40]
    assert sinks_of(lm, [lm.encode(example.text) for example in examples]) == [[]] * len(examples)


def test_sinks_are_known_below_the_deepest_site_that_is_read(llama):
    usual = StateLengths.of(llama)
    assert usual.watched([Site(2, "mlp.in")]) == [0, 1]
    assert usual.watched([Site(2, "residual"), Site(0, "mlp.in")]) == [0, 1, 2]
    assert usual.watched([FINAL]) == [0, 1, 2]
    assert usual.watched([Site(0, "attn.heads")]) == []


@pytest.mark.parametrize("pool", ["mean", "last"])
def test_order_batches_and_guesses_change_nothing(planted, pool, monkeypatch):
    lm, _ = planted
    examples = [Labelled(text, 0) for text in TEXTS]
    sites = [Site(0, "mlp.in"), Site(SINK_BLOCK, "residual"), Site(3, "residual"), FINAL]
    together = extract(lm, examples, sites, pool=pool)
    assert torch.equal(extract(lm, examples[::-1], sites, pool=pool).flip(0), together)
    for index, example in enumerate(examples):
        alone = extract(lm, [example], sites, pool=pool)[0]
        assert torch.allclose(alone, together[index], rtol=1e-4, atol=1e-4)
    known = StateLengths.of
    monkeypatch.setattr(StateLengths, "of", lambda lm: replace(known(lm), places=(0, 1, 2)))
    assert torch.equal(extract(lm, examples, sites, pool=pool), together)
    monkeypatch.setattr(StateLengths, "of", lambda lm: replace(known(lm), places=()))
    assert torch.equal(extract(lm, examples, sites, pool=pool), together)


def test_no_state_that_is_read_is_of_massive_length(planted):
    """Not even of a text of one token, which is nothing but a sink in some models: it is read at the typical length."""
    lm, _ = planted
    usual = StateLengths.of(lm)
    examples = [Labelled(text, 0) for text in (*TEXTS, ".", ",")]
    sites = [Site(layer, "residual") for layer in range(lm.anatomy.layers)]
    for pool in ("mean", "last", "response", "decision"):
        lengths = extract(lm, examples, sites, pool=pool).norm(dim=-1)  # (texts, layers)
        assert bool((lengths < 4 * usual.typical).all()), pool


def test_all_tokens_are_read_where_that_is_asked_for(tokenizer):
    lm = first_sink("llama", tokenizer)
    (ids,) = [lm.encode(TEXTS[0])]
    site = Site(SINK_BLOCK, "residual")
    usual = StateLengths.of(lm)
    with usual.traced(lm, [site]) as (seen, _), torch.no_grad():
        lm.forward(lm.batch([ids]), head=False)
    pooled = extract(lm, [Labelled(TEXTS[0], 0)], [site], pool="mean_with_bos")[0, 0]
    assert torch.allclose(pooled, seen[site][0].mean(0), rtol=1e-4)
    assert float(pooled.norm()) > 4 * float(usual.typical[SINK_BLOCK])


def test_a_last_token_that_is_a_sink_gives_way_to_the_one_before(llama):
    batch = llama.batch([[5, 6, 7, 8], [5, 6, 7, 8], [5]])
    sinks = torch.tensor([[0, 0, 0, 1], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=torch.bool)
    assert averaging(batch, [3, 1, 0], sinks).tolist() == [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]
    assert averaging(batch, [0, 2, 0], sinks)[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])


def rows_of(lm, behaviour):
    """The rows that surgery would edit: of a probe in each block, and of one that leaves texts alone."""
    probe = fit_probe(lm, behaviour, pool="mean")
    turned = whitened_probe(lm, probe, TEXTS)
    chosen = [probe_rows(lm, p, rows=12) for p in (probe, turned)]
    return [numbers_of(region) for region in chosen]


def numbers_of(region):
    return {(site.layer, i) for site, numbers in region.rows.items() for i in numbers.tolist()}


def test_what_is_found_does_not_depend_on_sinks(planted, behaviour, monkeypatch):
    lm, places = planted
    direction, probe = directions(lm, behaviour, pool="mean"), fit_probe(lm, behaviour, space="residual", pool="mean")
    chosen = numbers_of(probe_rows(lm, probe, rows=12))
    for module in (locate_directions, locate_probe):
        monkeypatch.setattr(module, "extract", reading_all_but(places))
    by_hand, probe = directions(lm, behaviour, pool="mean"), fit_probe(lm, behaviour, space="residual", pool="mean")
    assert float(torch.cosine_similarity(direction.vectors, by_hand.vectors, dim=1).min()) > 0.9999
    assert torch.allclose(direction.sizes, by_hand.sizes, rtol=1e-4)
    assert chosen == numbers_of(probe_rows(lm, probe, rows=12))
    monkeypatch.setattr(locate_directions, "extract", reading_all_but(lambda ids: []))
    with_sinks = directions(lm, behaviour, pool="mean")
    if lm.tokenizer.bos_token_id not in [lm.encode("Hello")[i] for i in places(lm.encode("Hello"))]:  # left out anyhow
        assert float(torch.cosine_similarity(direction.vectors, with_sinks.vectors, dim=1).min()) < 0.8
        assert float(with_sinks.sizes.max()) > 2 * float(direction.sizes.max())


def test_the_block_of_a_pair_does_not_depend_on_sinks(planted):
    lm, places = planted
    rows = [lm.encode(text) for text in (PAIR.safe, PAIR.unsafe)]
    start = lm.tokenizer.bos_token_id
    kept = [i for i in range(min(map(len, rows))) if not any(row[i] == start or i in places(row) for row in rows)]
    expected = []
    for layer in range(lm.anatomy.layers):
        safe, unsafe = (states_of(lm, row, Site(layer, "residual"))[kept] for row in rows)
        expected.append(float((safe - unsafe).norm()))
    region = toxic_layer(lm, [PAIR], normalize="none")
    assert list(region.about["distances"].values()) == pytest.approx(expected, rel=1e-3)
    assert located(region) == expected.index(max(expected))


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "gemma3_text", "olmo2"])
def test_nothing_depends_on_the_scale_of_the_states(family, tokenizer, behaviour):
    lm = tiny_family(family, tokenizer)

    def found():
        probe = fit_probe(lm, behaviour, pool="mean")
        return (
            directions(lm, behaviour, pool="mean"),
            rows_of(lm, behaviour)[0],
            located(toxic_layer(lm, [PAIR])),
            numbers_of(effect_rows(lm, probe, behaviour, rows=12)),
        )

    def steered():
        patch = steering(lm, behaviour, pool="mean", strength=1.0)
        batch = lm.batch([lm.encode(text) for text in TEXTS])
        with torch.no_grad(), patch.attached(lm):
            return lm.forward(batch).logits[batch.mask.bool()]

    before, logits = found(), steered()
    stretched(lm, 128.0)
    after = found()
    assert torch.allclose(after[0].sizes, 128 * before[0].sizes, rtol=1e-2)
    assert float(torch.cosine_similarity(before[0].vectors, after[0].vectors, dim=1).min()) > 0.999
    assert after[1:] == before[1:]
    assert torch.allclose(steered(), logits, atol=0.02)


@pytest.mark.parametrize("family", PRE_NORM)
def test_a_sink_is_left_out_at_any_scale(family, tokenizer, behaviour):
    lm = first_sink(family, tokenizer)
    small = directions(lm, behaviour, pool="mean")
    large = directions(stretched(lm, 64.0), behaviour, pool="mean")
    assert torch.allclose(large.sizes, 64 * small.sizes, rtol=1e-2)
    assert sinks_of(lm, [lm.encode(TEXTS[0])]) == [[0]]


def test_second_moments_and_firing_rates_leave_sinks_out(planted):
    lm, places = planted
    layer = 3
    keys, fired = [], []
    for text in TEXTS:
        ids = lm.encode(text)
        kept = [i for i in range(len(ids)) if ids[i] != lm.tokenizer.bos_token_id and i not in places(ids)]
        keys.append(states_of(lm, ids, Site(layer, "mlp.key"))[kept].double())
        if kept:
            fired.append((states_of(lm, ids, Site(layer, lm.anatomy.first))[kept] > 0).float().mean(0))
    every = torch.cat(keys)
    assert torch.allclose(second_moment(lm, layer, Texts(TEXTS)), every.T @ every / len(every), rtol=1e-4, atol=1e-4)
    gate = Site(layer, lm.anatomy.first)
    region = Region({gate: torch.arange(8)}, {gate: torch.zeros(8)}, 8, {})
    rates = firing_rates(lm, region, [Labelled(text, 0) for text in TEXTS])
    assert torch.allclose(rates, torch.stack(fired).mean(0)[:8], atol=1e-5)
