"""Probes of several spaces from the same passes: what each alone would be, on no more texts than are needed."""

import pytest
import torch

from stages import Passes
from suture.data.examples import Behaviour, Texts
from suture.errors import CorruptFile
from suture.locate._probes import PORTION, Probes, Readings, alternating, fit_probes, within_tokens
from suture.locate.probe import fit_probe, whitened_probe

KEEP = Texts([f"The {noun} is on the table." for noun in "cup pen book hat key jar".split()])


def test_each_is_what_it_is_alone(llama, behaviour):
    many = fit_probes(Readings(llama, behaviour, ["final", "mlp.in", "residual"]), KEEP)
    assert many.read == len(behaviour.split(0.1)[0].examples)
    final = fit_probe(llama, behaviour, space="final")
    assert torch.allclose(many.by_space["final"].unwanted, final.unwanted, rtol=1e-4, atol=1e-6)
    train = Behaviour(behaviour.name, tuple(alternating(behaviour.split(0.1)[0].examples)))
    for space in ("mlp.in", "residual"):
        alone = whitened_probe(llama, fit_probe(llama, behaviour, space=space), KEEP, train)
        assert torch.allclose(many.by_space[space].unwanted, alone.unwanted, rtol=1e-2, atol=1e-4)
        assert many.by_space[space].space == "mlp.in"


def test_one_pass_reads_every_space(llama, behaviour):
    counts = []
    for spaces in (["mlp.in"], ["mlp.in", "residual", "final"]):
        with Passes(llama) as passes:
            llama.backbone.register_forward_pre_hook(passes._seen)
            fit_probes(Readings(llama, behaviour, spaces), KEEP)
        counts.append(passes.count)
    assert counts[0] == counts[1] > 0


def test_what_one_has_read_serves_the_next(llama, behaviour):
    readings = Readings(llama, behaviour, ["final", "mlp.in"])
    first = fit_probes(readings, KEEP, ["final"])
    with Passes(llama) as passes:
        llama.backbone.register_forward_pre_hook(passes._seen)
        again = fit_probes(readings, KEEP, ["final"])
        assert passes.count == 0
    assert torch.equal(first.by_space["final"].unwanted, again.by_space["final"].unwanted)
    apart = fit_probes(Readings(llama, behaviour, ["final", "mlp.in"]), KEEP, ["mlp.in"])
    after = fit_probes(readings, KEEP, ["mlp.in"])  # the same to the bit as by one that begins with it
    assert torch.equal(apart.by_space["mlp.in"].unwanted, after.by_space["mlp.in"].unwanted)


def test_no_more_is_read_than_tells_the_classes_apart(llama):
    easy = Behaviour.of("easy", [f"yes yes yes {i}" for i in range(300)], [f"no no no {i}" for i in range(300)])
    assert fit_probes(Readings(llama, easy, ["mlp.in"]), KEEP).read == PORTION


def test_they_are_kept_as_they_are(llama, behaviour, tmp_path):
    made = fit_probes(Readings(llama, behaviour, ["final", "mlp.in"]), KEEP)
    made.save(tmp_path / "probes.safetensors")
    again = Probes.load(tmp_path / "probes.safetensors")
    assert again.read == made.read
    for space, probe in made.by_space.items():
        assert torch.equal(again.by_space[space].unwanted, probe.unwanted)
        assert again.by_space[space].scores == probe.scores
    (tmp_path / "other.safetensors").write_bytes(b"no")
    with pytest.raises(CorruptFile):
        Probes.load(tmp_path / "other.safetensors")


def test_texts_are_chosen_evenly_within_their_tokens(llama):
    texts = [f"word {i}" for i in range(100)]
    most = sum(len(llama.encode(text)) for text in texts) // 4
    some = within_tokens(llama, texts, most)
    assert sum(len(llama.encode(text)) for text in some) <= most + 5
    assert some == texts[:: 100 // len(some)]
    assert within_tokens(llama, texts, 10**6) == texts
