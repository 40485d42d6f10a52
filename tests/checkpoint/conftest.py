import shutil
import tempfile
from pathlib import Path

import pytest

from checkpoint_parts import QUICK, patch_of, weights, write_checkpoint
from suture.checkpoint.verbs import apply


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


@pytest.fixture
def place():
    """A folder that any user can reach: permissions do not bind root, so what is asked of them is asked as another."""
    found = Path(tempfile.mkdtemp(prefix="suture-allowed-"))
    found.chmod(0o755)
    yield found
    for folder in (found, *(path for path in found.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    shutil.rmtree(found)


@pytest.fixture
def made(place):
    """There: a checkpoint with a patch on it, and three patches that fit."""
    base = write_checkpoint(place / "base", weights())
    files = [patch_of(weights(), n).save(place / f"p{n}.safetensors") for n in range(3)]
    apply(base, files[:1], in_place=True, disk=QUICK)
    return base, files
