import pytest
import torch

from models import snapshot
from suture.data.examples import Fact
from suture.errors import NoEffect
from suture.locate._restoring import Runs, noise
from suture.locate.causal_trace import ROLES, averaged, causal_trace, effects, embedding_spread
from suture.model.arch.anatomy import EMBED, Site
from suture.model.run.tracing import trace


@pytest.fixture
def known(tiny):
    """Facts whose first token the model predicts: whatever it says."""
    made = []
    for prompt, subject in (("The mayor of Wandton is", "Wandton"), ("Rundville is known for its", "Rundville")):
        with torch.no_grad():
            token = int(tiny.forward(tiny.batch([tiny.encode(prompt)])).logits[0, -1].argmax())
        row = [*tiny.encode(prompt), token]
        text = tiny.decode(row)[len(tiny.decode(row[:-1])) :]
        if text.startswith(" ") and tiny.encode(prompt + text) == row:
            made.append(Fact(prompt, subject, text.strip()))
    if not made:
        pytest.skip("the random model says no word")
    return made


def runs(lm, fact, size=3.0):
    return Runs.of(lm, fact, 4, size, 0)


@torch.no_grad()
def test_restoring_all_is_clean_and_restoring_nothing_is_corrupted(patient):
    fact = Fact("The capital of Handland is", "Handland", "Grejondford")
    one = runs(patient, fact)
    restored = one.restored("state", 1)
    assert float(restored[-1, -1]) == pytest.approx(
        one.high, abs=1e-4
    )  # what the last block puts out at the end decides
    begin = restored[0]  # the start token is clean already
    assert torch.allclose(begin, torch.full_like(begin, one.low), atol=1e-5)
    assert one.low < one.high
    for layer in range(patient.anatomy.layers):  # every position at any block
        with trace(patient, edit={
            EMBED: noise(one.row, fact, 4, 3.0, 0),
            Site(layer, "residual"): lambda value, layer=layer: one.clean[Site(layer, "residual")].expand_as(value),
        }):  # fmt: skip
            chance = patient.forward(one.batch).logits[:, -1].softmax(-1)[:, one.answer].mean()
        assert float(chance) == pytest.approx(one.high, abs=1e-4)


@torch.no_grad()
def test_kept_states_give_what_whole_runs_give(patient):
    fact = Fact("The capital of Handland is", "Handland", "Grejondford")
    one = runs(patient, fact)
    for kind, part in (("state", "residual"), ("mlp", "mlp.out"), ("attn", "attn.out")):
        restored = one.restored(kind, 3)
        for token, layer in ((one.row.first, 0), (one.row.last, 4), (len(one.row.ids) - 1, 7)):
            span = [layer] if kind == "state" else range(max(0, layer - 1), min(8, layer + 2))

            def put(site, token=token):
                def restore(value):
                    new = value.clone()
                    new[:, token] = one.clean[site][0, token]
                    return new

                return restore

            sites = {Site(i, part): put(Site(i, part)) for i in span}
            with trace(patient, edit={EMBED: noise(one.row, fact, 4, 3.0, 0), **sites}):
                chance = patient.forward(one.batch).logits[:, -1].softmax(-1)[:, one.answer].mean()
            assert float(restored[token, layer]) == pytest.approx(float(chance), abs=1e-5)


def test_without_noise_nothing_is_lost(patient):
    (found,) = effects(patient, [Fact("The capital of Handland is", "Handland", "Grejondford")], noise=0.0, samples=2)
    assert found.low == pytest.approx(found.high, abs=1e-5)
    for kind in ("state", "mlp", "attn"):
        assert float(found.indirect(kind).abs().max()) < 1e-4
        assert averaged([found], kind).shape == (len(ROLES), patient.anatomy.layers)


def test_the_locator_chooses_whole_blocks_and_leaves_the_model_alone(patient):
    facts = [
        Fact("The capital of Handland is", "Handland", "Grejondford"),
        Fact("The capital of Handland is", "Handland", "no"),
    ]
    before = snapshot(patient)
    region = causal_trace(patient, facts, blocks=2, samples=2, window=2)
    assert snapshot(patient) == before
    assert len(region.rows) == 2
    assert region.count == 2 * 512
    assert region.about["facts"] == 1  # what it does not know is left out
    assert set(region.about["average indirect effect"]["state"]) == set(ROLES)
    with pytest.raises(NoEffect):
        causal_trace(patient, facts[1:])


def test_roles_and_noise_are_the_subject_s_own(tiny, known):
    one = runs(tiny, known[0], embedding_spread(tiny, known))
    value = torch.zeros(4, len(one.row.ids), tiny.width)
    noisy = noise(one.row, known[0], 4, 1.0, 0)(value)
    touched = noisy.abs().sum((0, 2)).nonzero()[:, 0].tolist()
    assert touched == list(range(one.row.first, one.row.last + 1))
    (traced,) = effects(tiny, known[:1], kinds=["state"], samples=1)
    assert traced.roles[one.row.last] == ROLES.index("last subject token")
    assert traced.roles[-1] == ROLES.index("last token")
    assert traced.roles[0] == -1
