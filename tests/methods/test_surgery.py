import pytest
import torch
from torch import nn

from models import snapshot
from suture.locate.probe import fit_probe, whitened_probe
from suture.locate.probe_rows import probe_rows
from suture.methods.surgery import surgery
from suture.model.arch.anatomy import Site
from suture.model.run.tracing import trace


def difference(lm, patch):
    before = {name: lm.tensor(name).detach().clone() for name in patch.terms}
    with patch.applied(lm):
        return {name: lm.tensor(name).detach().float() - before[name].float() for name in patch.terms}


def test_exactly_k_rows_change_by_alpha_times_the_probe(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    patch = surgery(llama, behaviour, probe=probe, rows=13, strength=0.7, unit="raw")
    region = probe_rows(llama, probe, rows=13)
    changed = 0
    for name, moved in difference(llama, patch).items():
        rows = moved.abs().sum(1).nonzero()[:, 0]
        site = next(s for s in region.rows if llama.anatomy.weight(s).tensor == name)
        assert torch.equal(rows, region.rows[site])
        assert torch.allclose(moved[rows], 0.7 * probe.unwanted.expand(len(rows), -1), atol=1e-6)
        changed += len(rows)
    assert changed == 13


def test_nothing_else_changes(tiny, behaviour):
    patch = surgery(tiny, behaviour, rows=5)
    before = snapshot(tiny)
    with patch.applied(tiny):
        after = snapshot(tiny)
    assert {name for name in before if before[name] != after[name]} == set(patch.terms)


def test_pre_activations_of_chosen_rows_rise_by_alpha_w_x(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    region = probe_rows(llama, probe, rows=6, layers=[0])
    patch = surgery(llama, behaviour, probe=probe, region=region, strength=2.0, unit="raw")
    batch = llama.batch([llama.encode("You are a friend.")])
    gate = llama.anatomy.blocks[0].mlp.gate_proj
    with trace(llama, [Site(0, "mlp.in")]) as seen, torch.no_grad():
        llama.forward(batch)
    x = seen[Site(0, "mlp.in")]
    rows = region.rows[Site(0, "mlp.gate")]
    with torch.no_grad():
        before = gate(x)
        with patch.applied(llama):
            after = gate(x)
    expected = torch.zeros_like(before)
    expected[..., rows] = 2.0 * (x @ probe.unwanted[0])[..., None]
    assert torch.allclose(after - before, expected, atol=1e-4)


def test_a_longer_probe_and_a_smaller_strength_are_the_same_edit(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    longer = type(probe)(**{**vars(probe), "unwanted": probe.unwanted * 8})
    a = difference(llama, surgery(llama, behaviour, probe=probe, rows=9, strength=1.0, unit="raw"))
    b = difference(llama, surgery(llama, behaviour, probe=longer, rows=9, strength=1 / 8, unit="raw"))
    assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)


def test_row_units_do_not_depend_on_the_probes_length(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    longer = type(probe)(**{**vars(probe), "unwanted": probe.unwanted * 8})
    moved = difference(llama, surgery(llama, behaviour, probe=longer, rows=9, strength=2.0))
    for name, change in moved.items():
        norm = llama.tensor(name).norm(dim=1).mean()
        rows = change.norm(dim=1)
        assert torch.allclose(rows[rows > 0], 2.0 * norm, rtol=1e-4)


def test_plus_then_minus_alpha_on_the_same_rows_restores(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    region = probe_rows(llama, probe, rows=9)
    plus = surgery(llama, behaviour, probe=probe, region=region, strength=1.5)
    minus = surgery(llama, behaviour, probe=probe, region=region, strength=-1.5)
    before = snapshot(llama)
    with (plus + minus).applied(llama):
        assert snapshot(llama) == before


def test_toward_the_unwanted_is_the_opposite_edit(llama, behaviour):
    probe = fit_probe(llama, behaviour, space="final")
    patch = surgery(llama, behaviour, probe=probe, rows=9, unit="raw", toward="unwanted")
    region = probe_rows(llama, probe, rows=9, away_from="wanted")
    for name, moved in difference(llama, patch).items():
        site = next(s for s in region.rows if llama.anatomy.weight(s).tensor == name)
        rows = region.rows[site]
        assert torch.allclose(moved[rows], -probe.unwanted.expand(len(rows), -1), atol=1e-6)


def test_the_paper_edits_with_its_own_raw_probe(llama, behaviour):
    probe = fit_probe(llama, behaviour, parity="paper", seed=4)
    moved = difference(llama, surgery(llama, behaviour, parity="paper", rows=9, strength=1.08, seed=4))
    for change in moved.values():
        rows = change[change.abs().sum(1) > 0]
        assert torch.allclose(rows, 1.08 * probe.unwanted.expand(len(rows), -1), atol=1e-6)


def test_gpt2_edits_columns_of_its_first_matrix_like_a_linear_twin(gpt2, behaviour):
    patch = surgery(gpt2, behaviour, rows=11, strength=3.0)
    name, terms = next(iter(patch.terms.items()))
    moved = difference(gpt2, patch)[name]
    assert moved.shape == (32, 48)
    columns = moved.abs().sum(0).nonzero()[:, 0]
    assert torch.equal(columns, terms[0].columns)
    layer, _ = gpt2.linear(name)
    twin = nn.Linear(32, 48)
    twin.weight.data, twin.bias.data = (layer.weight.data + moved).T.clone(), layer.bias.data.clone()
    x = torch.randn(5, 32)
    with patch.applied(gpt2), torch.no_grad():
        assert torch.allclose(layer(x), twin(x), atol=1e-5)


def test_the_second_attribute_is_probed_on_the_model_already_edited(llama, behaviour):
    first = surgery(llama, behaviour, rows=20, strength=4.0, space="final")
    both = surgery(llama, [behaviour, behaviour.reversed()], rows=20, strength=4.0, space="final")
    with first.applied(llama):
        second = surgery(llama, behaviour.reversed(), rows=20, strength=4.0, space="final")
    alone = surgery(llama, behaviour.reversed(), rows=20, strength=4.0, space="final")
    found, expected = difference(llama, both), {}
    for part in (first, second):
        for name, terms in part.terms.items():
            shape = part.before[name].shape
            for term in terms:
                expected[name] = expected.get(name, 0) + term.at(torch.arange(shape[0]), shape)
    assert all(torch.allclose(found[name].double(), expected[name], atol=1e-5) for name in found)
    assert any(
        not torch.equal(second.terms[n][0].right, alone.terms[n][0].right)
        for n in second.terms.keys() & alone.terms.keys()
    )


@pytest.mark.parametrize("control", ["random_probe", "random_rows"])
def test_controls_edit_as_much_as_the_real_thing(llama, behaviour, control):
    real = surgery(llama, behaviour, rows=12, strength=2.0)
    fake = surgery(llama, behaviour, rows=12, strength=2.0, control=control)
    assert fake.provenance.effect["intended"] == pytest.approx(real.provenance.effect["intended"], rel=0.3)
    assert sum(len(t[0].rows) for t in fake.terms.values()) == 12


@pytest.mark.parametrize("site", ["mlp.up", "mlp.down", "attn.q", "attn.o"])
def test_other_matrices_can_be_edited(tiny, behaviour, site):
    patch = surgery(tiny, behaviour, rows=6, site=site, strength=2.0)
    moved = difference(tiny, patch)
    vectors = 0
    for name, change in moved.items():
        weight = next(w for w in tiny.anatomy.weights(site) if w.tensor == name)
        matrix = change.T if weight.transposed else change
        matrix = matrix if weight.outputs is None else matrix[list(weight.outputs)]
        vectors += int((matrix.abs().sum(0 if site in ("mlp.down", "attn.o") else 1) > 0).sum())
    assert vectors == 6


def test_provenance_says_how_to_make_it_again(llama, behaviour):
    patch = surgery(llama, behaviour, rows=7, strength=1.25, seed=3)
    settings = dict(patch.provenance.settings)
    again = surgery(llama, behaviour, **settings)
    assert all(torch.equal(a[0].right, again.terms[n][0].right) for n, a in patch.terms.items())
    assert patch.provenance.examples["behaviours"][0]["count"] == len(behaviour.examples)


def test_provenance_says_which_probe_and_rows_were_given(llama, behaviour):
    probe = whitened_probe(llama, fit_probe(llama, behaviour), ["One text.", "Another text."], behaviour)
    region = probe_rows(llama, probe, rows=7)
    settings = surgery(llama, behaviour, probe=probe, region=region).provenance.settings
    assert settings["probe"]["name"].startswith("tone, quiet on 2 texts (")
    assert (settings["region"]["by"], settings["region"]["rows"]) == ("cosine", 7)
    assert not {"rows", "select", "space", "pool"} & settings.keys()
