import pytest
import torch

from suture.data.examples import Behaviour, Labelled
from suture.errors import DataError, UsageError
from suture.locate.directions import _heads, _pairs, directions
from suture.model.arch.anatomy import Site
from suture.model.run.features import extract
from suture.model.run.tracing import trace

KINDS = ("means", "paired", "pca", "logistic", "heads")


@pytest.fixture
def asked():
    """Pairs of answers to the same requests, in mixed order."""
    requests = [f"Tell me about {noun}." for noun in "cats dogs trees rivers clouds stones birds boats".split()]
    good = [Labelled("They are lovely, my friend.", 0, request) for request in requests]
    bad = [Labelled("Go away, you stupid fool.", 1, request) for request in reversed(requests)]
    return Behaviour("tone", (*good, *bad))


def test_the_difference_of_means_is_that(llama, behaviour):
    found = directions(llama, behaviour, layers=[1], pool="last")
    states = extract(llama, behaviour.examples, [Site(1, "residual")], pool="last")[:, 0].double()
    labels = torch.tensor(behaviour.labels)
    every = states[labels == 1].mean(0) - states[labels == 0].mean(0)
    # One text of each class is held out, so the means are of seven of eight.
    assert torch.nn.functional.cosine_similarity(found.vector(1).double(), every, dim=0) > 0.98
    assert float(found.sizes[0]) == pytest.approx(float(states.norm(dim=1).mean()), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_separates_and_grows_with_the_unwanted(tiny, behaviour, kind):
    found = directions(tiny, behaviour, kind=kind, pool="mean", heads=6)
    assert found.layers == [0, 1, 2]
    assert max(score.auc for score in found.scores) == 1.0
    assert found.level(found.best, "unwanted") > found.level(found.best, "wanted")


def test_texts_are_paired_by_their_request(asked, behaviour):
    for good, bad in _pairs(asked):
        assert asked.examples[good].prompt == asked.examples[bad].prompt
    assert _pairs(behaviour) == [(i, i + 8) for i in range(8)]


def test_the_mean_of_pairs_is_the_difference_of_their_means(llama, asked):
    pairs = directions(llama, asked, kind="paired", seed=2)
    means = directions(llama, asked, kind="means", seed=2)
    assert torch.nn.functional.cosine_similarity(pairs.vector(2), means.vector(2), dim=0) > 0.95


def test_the_principal_component_is_not_centred(llama, asked):
    """Centred, it would be orthogonal to the mean difference, which is the direction looked for."""
    pca, pairs = (directions(llama, asked, kind=kind) for kind in ("pca", "paired"))
    assert torch.nn.functional.cosine_similarity(pca.vector(2), pairs.vector(2), dim=0) > 0.8


def test_positions_count_back_from_the_decision(llama, asked):
    rows = [llama.encode_chat(example.prompt)[0] for example in asked.examples]
    for back in (0, 2):
        states = extract(llama, asked.examples, [Site(0, "residual")], pool="decision", back=back)
        for i in (0, 9):
            with trace(llama, [Site(0, "residual")]) as seen, torch.no_grad():
                llama.forward(llama.batch([rows[i]]), head=False)
            assert torch.allclose(states[i, 0], seen[Site(0, "residual")][0, -1 - back], atol=1e-5)


def test_heads_without_signal_are_left_alone(llama):
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(60, 2, 32, generator=generator, dtype=torch.float64)
    labels = torch.arange(60) % 2
    states[labels == 1, 1, 8:16] += 3.0  # only head 1 of the second layer tells the classes apart
    found = _heads(llama, states[:40], labels[:40], states[40:], labels[40:], 1)
    assert found.shape == (2, 32)
    assert set(found.nonzero()[:, 0].tolist()) == {1}
    assert found[1].nonzero()[:, 0].tolist() == list(range(8, 16))
    assert float(found[1, 8:16].sum()) > 0


def test_what_can_not_be_read_is_refused(llama, behaviour):
    with pytest.raises(UsageError, match="kind is not 'magic'"):
        directions(llama, behaviour, kind="magic")
    with pytest.raises(UsageError, match="heads"):
        directions(llama, behaviour, kind="heads", heads=99)
    with pytest.raises(UsageError, match="no block 9"):
        directions(llama, behaviour, layers=[9])
    single = behaviour.split(0.9)[0]  # one text of each class is left
    with pytest.raises(DataError, match="too few"):
        directions(llama, single, kind="pca")


def test_padding_does_not_matter(llama, behaviour):
    one = directions(llama, behaviour)
    longer = Behaviour("tone", (*behaviour.examples, Labelled("A " + "very " * 30 + "long text.", 0)))
    states = [extract(llama, b.examples[:16], [Site(1, "residual")]) for b in (behaviour, longer)]
    assert torch.allclose(states[0], states[1], atol=1e-5)
    assert one.vectors.shape == (3, 32)
