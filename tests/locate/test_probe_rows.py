import pytest
import torch

from suture.errors import UsageError
from suture.locate.probe import Probe, Score, fit_probe
from suture.locate.probe_rows import probe_rows
from suture.locate.region import Region
from suture.model.arch.anatomy import Site


def all_rows(lm, part, direction):
    """Every row's cosine, one by one: (cosine, layer, row), in the order in which they must be chosen."""
    found = []
    for layer in range(lm.anatomy.layers):
        matrix = lm.anatomy.weight(Site(layer, part)).matrix().float()
        for row, vector in enumerate(matrix):
            found.append((float(torch.cosine_similarity(vector, direction(layer), dim=0)), layer, row))
    return sorted(found)


@pytest.mark.parametrize("space", ["final", "mlp.in"])
def test_the_k_smallest_cosines_over_all_blocks_are_chosen(tiny, behaviour, space):
    probe = fit_probe(tiny, behaviour, space=space)
    region = probe_rows(tiny, probe, rows=17)
    expected = {(layer, row) for _, layer, row in all_rows(tiny, tiny.anatomy.first, probe.direction)[:17]}
    assert {(site.layer, int(row)) for site, rows in region.rows.items() for row in rows} == expected
    assert region.count == 17
    assert region.candidates == 3 * tiny.anatomy.weights(tiny.anatomy.first)[0].shape[0]


def probe_of(direction):
    score = Score(1, 1, 1, 1, 1)
    return Probe("made", "final", [-1], direction[None], -direction[None], torch.zeros(1), [score])


def test_the_choice_does_not_depend_on_the_probes_length(llama):
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    short, long = (probe_rows(llama, probe_of(c * direction), rows=10) for c in (0.01, 100.0))
    assert all(torch.equal(short.rows[site], long.rows[site]) for site in short.rows)


def test_the_opposite_direction_chooses_the_most_aligned_rows(llama):
    direction = torch.randn(32, generator=torch.Generator().manual_seed(0))
    region = probe_rows(llama, probe_of(direction), rows=5, away_from="wanted")
    expected = {(layer, row) for _, layer, row in all_rows(llama, "mlp.gate", lambda _: direction)[-5:]}
    assert {(site.layer, int(row)) for site, rows in region.rows.items() for row in rows} == expected


def test_ties_are_broken_by_block_then_row(llama):
    for weight in llama.anatomy.weights("mlp.gate"):
        weight.stored.data.copy_(torch.ones(48, 32))
    region = probe_rows(llama, probe_of(torch.ones(32)), rows=50)
    assert region.rows[Site(0, "mlp.gate")].tolist() == list(range(48))
    assert region.rows[Site(1, "mlp.gate")].tolist() == [0, 1]


def test_a_share_counts_all_candidates(llama):
    assert probe_rows(llama, probe_of(torch.ones(32)), rows=0.25).count == 36
    assert probe_rows(llama, probe_of(torch.ones(32)), rows=0.5, layers=[1]).count == 24


@pytest.mark.parametrize("rows", [0.0001, 1000, -3])
def test_an_impossible_number_is_refused(llama, rows):
    with pytest.raises(UsageError, match="can not choose"):
        probe_rows(llama, probe_of(torch.ones(32)), rows=rows)


def test_writers_are_searched_by_their_columns(tiny):
    region = probe_rows(tiny, probe_of(torch.ones(32)), site="mlp.down", rows=4)
    assert region.candidates == 3 * tiny.anatomy.weights("mlp.down")[0].matrix().shape[1]


def test_random_rows_are_seeded(llama):
    a, b, c = (probe_rows(llama, probe_of(torch.ones(32)), rows=9, random=True, seed=s) for s in (1, 1, 2))
    assert a.rows.keys() == b.rows.keys()
    assert all(torch.equal(a.rows[s], b.rows[s]) for s in a.rows)
    assert {(s, int(r)) for s in a.rows for r in a.rows[s]} != {(s, int(r)) for s in c.rows for r in c.rows[s]}


def test_a_region_file_gives_the_region_back(llama, tmp_path):
    region = probe_rows(llama, probe_of(torch.ones(32)), rows=9)
    loaded = Region.load(region.save(tmp_path / "r"))
    assert loaded.rows.keys() == region.rows.keys()
    assert all(torch.equal(loaded.rows[s], region.rows[s]) for s in region.rows)
    assert (loaded.count, loaded.candidates, loaded.about) == (9, 144, region.about)
