"""benchmarks/same.py tells equal patches from different ones, down to a bit."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PATCH = {"w|lowrank.left": torch.ones(3, 1), "w|lowrank.rows": torch.arange(3)}


@pytest.fixture(scope="module")
def same():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("same", BENCHMARKS / "same.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


def made(folder, tensors=PATCH, **more):
    folder.mkdir()
    save_file(tensors, folder / "p.safetensors")
    return folder, {
        "rome llama": {"file": "p.safetensors", "terms": {"w": ["lowrank 1"]}, "after": {"w": "ab"}, **more}
    }


def failed(folder, why):
    return folder, {"rome llama": {"error": why}}


def nudged():
    return {**PATCH, "w|lowrank.left": torch.tensor([[1.0], [1.0], [1.0 + 2**-23]])}


def negative_zero():
    return {**PATCH, "w|lowrank.left": torch.zeros(3, 1)}, {**PATCH, "w|lowrank.left": -torch.zeros(3, 1)}


def test_equal_patches_are_the_same(same, tmp_path):
    assert same.compared(made(tmp_path / "a"), made(tmp_path / "b"), "rome llama") == ("same", "")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"tensors": nudged()}, "1 of 2 tensors, by at most 1.19e-07"),
        (
            {"tensors": {**PATCH, "w|lowrank.left": torch.ones(3, 1).double()}},
            "torch.float32 [3, 1] -> torch.float64 [3, 1]",
        ),
        ({"tensors": {**PATCH, "w|lowrank.left": torch.ones(1, 3)}}, "-> torch.float32 [1, 3]"),
        ({"tensors": {"w|lowrank.left": torch.ones(3, 1)}}, "other tensors: w|lowrank.rows"),
        ({"terms": {"w": ["lowrank 2"]}}, "strengths or settings"),
        ({"after": {"w": "cd"}}, "promised weights"),
    ],
)
def test_whatever_differs_is_named(same, tmp_path, other, why):
    verdict, told = same.compared(made(tmp_path / "a"), made(tmp_path / "b", **other), "rome llama")
    assert verdict == "different"
    assert why in told


def test_bits_are_compared_not_numbers(same, tmp_path):
    one, other = negative_zero()
    assert same.compared(made(tmp_path / "a", one), made(tmp_path / "b", other), "rome llama")[0] == "different"


def test_errors_are_compared_too(same, tmp_path):
    patch, error = made(tmp_path / "a"), failed(tmp_path, "UsageError: no")
    assert same.compared(error, error, "rome llama") == ("error", "UsageError: no")
    assert same.compared(patch, error, "rome llama")[0] == "different"
    assert same.compared(error, failed(tmp_path, "KeyError: x"), "rome llama")[0] == "different"
    assert same.compared(patch, (tmp_path, {}), "rome llama") == ("different", "only in the old tree")
