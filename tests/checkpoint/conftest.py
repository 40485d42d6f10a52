import pytest

from checkpoint_parts import patch_of, weights, write_checkpoint


@pytest.fixture
def base(tmp_path):
    return write_checkpoint(tmp_path / "base", weights())


@pytest.fixture
def patches(tmp_path):
    """Five patch files for `base`, on overlapping tensors."""
    names = [
        ("a.weight", "experts"),
        ("a.weight", "b.weight"),
        ("norm", "a.weight"),
        ("experts",),
        ("b.weight", "norm"),
    ]
    return [patch_of(weights(), n, names[n]).save(tmp_path / f"p{n}.safetensors") for n in range(5)]
