import pytest
import torch

from suture.errors import CorruptFile, PatchMismatch, UsageError
from suture.io import tensorfile
from suture.locate.direction import FORMAT, Direction, alike
from suture.locate.probe import Score


def made(name="tone", seed=0, layers=(0, 2), width=32) -> Direction:
    generator = torch.Generator().manual_seed(seed)
    count = len(layers)
    scores = [Score(1.0, 0.9, 0.8 + 0.1 * i, 18, 2) for i in range(count)]
    vectors = torch.randn(count, width, generator=generator)
    return Direction(name, "residual", list(layers), vectors, torch.ones(count) * 5, torch.ones(count, 2), scores)


def test_directions_are_added_scaled_and_negated_block_by_block():
    a, b = made(), made("jailbreak", 1)
    assert torch.equal((a + b).vector(2), a.vector(2) + b.vector(2))
    assert torch.equal((a - b).vector(0), a.vector(0) - b.vector(0))
    assert torch.equal((2 * a - a - a).vectors, torch.zeros(2, 32))
    assert (a + b).name == "tone + jailbreak"
    assert (a + b).scores == []


def test_what_is_projected_out_is_gone():
    a, b = made(), made("jailbreak", 1)
    left = a.without(b)
    for layer in (0, 2):
        assert abs(float(left.vector(layer) @ b.unit(layer))) < 1e-5
        assert torch.allclose(left.vector(layer) + (a.vector(layer) @ b.unit(layer)) * b.unit(layer), a.vector(layer))
    assert float((a.without(a)).vectors.norm()) < 1e-5


def test_a_step_is_as_long_as_the_mean_state():
    assert float(made().step(2).norm()) == pytest.approx(5)
    assert torch.allclose((3 * made()).step(2), made().step(2))
    assert torch.allclose((-made()).step(2), -made().step(2))


def test_cosines_between_directions():
    names, table = alike({"a": made(), "minus a": -made(), "b": made(seed=1)}, 2)
    assert names == ["a", "minus a", "b"]
    assert table[0][:2] == [1.0, -1.0]
    expected = torch.nn.functional.cosine_similarity(made().vector(2), made(seed=1).vector(2), dim=0)
    assert table[0][2] == pytest.approx(float(expected), abs=1e-4)


def test_a_file_holds_all_of_it(tmp_path):
    a = made()
    loaded = Direction.load(a.save(tmp_path / "d.safetensors"))
    assert torch.equal(loaded.vectors, a.vectors)
    assert (loaded.name, loaded.layers, loaded.scores, loaded.best) == (a.name, a.layers, a.scores, 2)
    assert loaded.level(0) == 1.0
    tensors, metadata = tensorfile.read(tmp_path / "d.safetensors", FORMAT)
    tensorfile.write(tmp_path / "d.safetensors", tensors, {**metadata, "about": "{}"})
    with pytest.raises(CorruptFile, match="not a direction"):
        Direction.load(tmp_path / "d.safetensors")


def test_what_does_not_fit_is_refused(llama):
    with pytest.raises(UsageError, match="other places"):
        made() + made(layers=(0, 1))
    with pytest.raises(UsageError, match="block 1 has no direction"):
        made().vector(1)
    with pytest.raises(UsageError, match="not known"):
        (made() * 2).level(0)
    with pytest.raises(PatchMismatch, match="another model"):
        made(width=64).check(llama)
    with pytest.raises(PatchMismatch, match="another model"):
        made(layers=(0, 9)).check(llama)
    made().check(llama)
