import pytest
import torch

from checkpoint_parts import QUICK
from suture.checkpoint.stack.undo import Piece, Undo, size, write
from suture.errors import CorruptFile


def piece(name, values, rows):
    return Piece(name, "BF16", values.shape[1], rows, lambda: iter(values[rows].split(2)), 2)


@pytest.fixture
def kept(tmp_path):
    values = torch.randn(10, 6).bfloat16()
    pieces = [piece("a", values, torch.tensor([0, 3, 4, 9])), piece("b", values, torch.tensor([2]))]
    write(QUICK, tmp_path / "undo", pieces)
    return tmp_path / "undo", values, pieces


def test_kept_rows_take_the_place_of_others(kept):
    path, values, pieces = kept
    now = torch.zeros(5, 6).bfloat16()
    Undo(path).overlay("a", torch.tensor([1, 3, 4, 5, 9]), now)
    assert torch.equal(now[[1, 2, 4]], values[[3, 4, 9]])
    assert not now[[0, 3]].any()
    assert path.stat().st_size <= size(pieces)


def test_tensors_and_rows_that_are_not_kept_stay(kept):
    path, _, _ = kept
    now = torch.zeros(2, 6).bfloat16()
    for name, rows in (("c", [0, 1]), ("a", [5, 6]), ("b", [0, 9])):
        Undo(path).overlay(name, torch.tensor(rows), now)
    assert not now.any()


def test_what_does_not_fit_is_refused(kept):
    path, _, _ = kept
    with pytest.raises(CorruptFile):
        Undo(path).overlay("a", torch.tensor([0]), torch.zeros(1, 7).bfloat16())
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start : start + 8] = (99).to_bytes(8, "little")  # row numbers are not sorted any more
    path.write_bytes(content)
    with pytest.raises(CorruptFile):
        Undo(path)
