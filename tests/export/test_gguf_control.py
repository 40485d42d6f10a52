import pytest
import torch

from models import tiny_family
from suture.errors import CorruptFile, UsageError
from suture.export import gguf_control
from suture.export.check import logits
from suture.io import gguf
from suture.locate.direction import Direction
from suture.locate.directions import directions
from suture.locate.probe import fit_probe
from suture.methods.steering import steering
from suture.patch.delta import Shift
from suture.patch.patch import Patch

pytest.importorskip("gguf")


def shifts(lm, name, layers, size=0.5):
    torch.manual_seed(4)
    changes = {name.format(layer): Shift(size * torch.randn(32)) for layer in layers}
    return Patch.make(lm, changes, method="test", settings={})


@pytest.mark.parametrize(
    ("family", "bias"),
    [
        ("gpt2", "transformer.h.{}.mlp.c_proj.bias"),
        ("gptj", "transformer.h.{}.mlp.fc_out.bias"),
        ("gpt_neox", "gpt_neox.layers.{}.mlp.dense_4h_to_h.bias"),
    ],
)
def test_shifts_of_blocks_steer_as_the_patch_does(family, bias, tokenizer, tmp_path):
    lm = tiny_family(family, tokenizer)
    patch = 0.5 * (shifts(lm, bias, [1]) + shifts(lm, bias, [1], size=1.0))
    written = gguf_control.export(lm, patch, tmp_path / "c.gguf")
    seen = written.check(["You are a friend.", "The capital of"]).demand("vector")
    assert seen.difference <= 1e-5 * max(1, seen.logit) < seen.effect
    expected = sum(term.vector.double() * term.scale for term in patch.terms[bias.format(1)])
    assert torch.allclose(gguf.read_vectors(written.path)[1].double(), expected, atol=1e-6)


def test_the_file_says_what_llama_cpp_wants_to_know(gpt2, tmp_path):
    patch = shifts(gpt2, "transformer.h.{}.mlp.c_proj.bias", [1, 2])
    gguf_control.export(gpt2, patch, tmp_path / "c.gguf")
    fields, tensors = gguf.read(tmp_path / "c.gguf")
    assert fields["general.architecture"] == "controlvector"
    assert fields["controlvector.model_hint"] == "gpt2"
    assert fields["controlvector.layer_count"] == 2
    assert {name: tuple(t.shape) for name, t in tensors.items()} == {"direction.1": (32,), "direction.2": (32,)}


def test_a_probe_becomes_directions_of_one_length(llama, behaviour, tmp_path):
    probe = fit_probe(llama, behaviour, space="residual")
    written = gguf_control.export(llama, probe, tmp_path / "c.gguf", strength=3.0)
    assert "block 0" in written.notes[0]
    vectors = gguf.read_vectors(written.path)
    assert list(vectors) == [1, 2]
    for layer, vector in vectors.items():
        assert float(vector.norm()) == pytest.approx(3.0, rel=1e-6)
        assert torch.cosine_similarity(vector, probe.direction(layer, "wanted"), dim=0) > 0.9999
    assert written.check(["You are a friend."]).demand("vector").difference == 0
    away = gguf_control.export(None, probe, tmp_path / "d.gguf", toward="unwanted", hint="llama")
    assert away.check is None
    opposite = gguf.read_vectors(away.path)
    assert torch.cosine_similarity(opposite[1], vectors[1], dim=0) < -0.9999


def test_steering_becomes_a_vector_and_comes_back_as_a_direction(llama, behaviour, tmp_path):
    read = directions(llama, behaviour, layers=[1, 2])
    patch = steering(llama, behaviour, direction=read, layers=[1, 2], strength=0.4)
    written = gguf_control.export(llama, patch, tmp_path / "steer.gguf")
    seen = written.check(["You are a friend.", "The capital of"]).demand("vector")
    assert seen.difference <= 1e-5 * max(1, seen.logit) < seen.effect
    back = Direction.load(tmp_path / "steer.gguf")
    assert (back.name, back.space, back.layers) == ("steer", "residual", [1, 2])
    again = steering(llama, behaviour, direction=back, layers=[1, 2], strength=1.0, toward="unwanted")
    prompts = ["You are a friend."]
    with patch.attached(llama):
        expected = logits(llama, prompts)
    with again.attached(llama):
        assert torch.allclose(logits(llama, prompts)[0], expected[0], atol=1e-5)
    of_direction = gguf_control.export(llama, read, tmp_path / "d.gguf", strength=0.4)
    assert of_direction.check(prompts).demand("vector").difference == 0
    for layer, vector in gguf.read_vectors(of_direction.path).items():
        assert torch.allclose(vector, back.vector(layer), atol=1e-6)


def test_steering_that_is_more_than_an_addition_is_refused(llama, behaviour, tmp_path):
    for settings in ({"mode": "turn"}, {"positions": "generated"}, {"kind": "heads"}, {"condition": behaviour}):
        patch = steering(llama, behaviour, layers=None if "kind" in settings else [1], **settings)
        with pytest.raises(UsageError, match="not changed by a shift"):
            gguf_control.export(llama, patch, tmp_path / "c.gguf")
    with pytest.raises(UsageError, match="direction of heads"):
        gguf_control.export(llama, directions(llama, behaviour, kind="heads"), tmp_path / "c.gguf")


def test_steering_ends_with_its_block(llama):
    base = logits(llama, ["The cat"])
    with gguf_control.steered(llama, {1: torch.ones(32)}):
        assert not torch.equal(logits(llama, ["The cat"])[0], base[0])
    assert torch.equal(logits(llama, ["The cat"])[0], base[0])


def test_what_is_no_shift_behind_a_block_is_refused(gpt2, llama, behaviour, low_rank, tmp_path):
    out = tmp_path / "c.gguf"
    with pytest.raises(UsageError, match="block 0"):
        gguf_control.export(gpt2, shifts(gpt2, "transformer.h.{}.mlp.c_proj.bias", [0, 1]), out)
    for name in (
        "transformer.h.{}.attn.c_proj.bias",
        "transformer.h.{}.ln_1.bias",
    ):  # seen by the MLP; no output of a block
        with pytest.raises(UsageError, match="not changed by a shift of a block's output"):
            gguf_control.export(gpt2, shifts(gpt2, name, [1]), out)
    with pytest.raises(UsageError, match="lowrank") as caught:
        gguf_control.export(llama, low_rank(llama, ["mlp.down"]), out)
    assert "export.gguf_lora" in caught.value.fix
    with pytest.raises(UsageError, match="space residual"):
        gguf_control.export(llama, fit_probe(llama, behaviour, space="mlp.in"), out)
    with pytest.raises(UsageError, match="Only block 0"):
        gguf_control.export(llama, fit_probe(llama, behaviour, space="residual", layers=[0]), out)
    with pytest.raises(UsageError, match="`lm`"):
        gguf_control.export(None, low_rank(llama, ["mlp.down"]), out)
    assert not out.exists()
    gguf.write(out, "llama", {}, {"direction.1": torch.ones(2)})
    with pytest.raises(CorruptFile):
        gguf.read_vectors(out)
