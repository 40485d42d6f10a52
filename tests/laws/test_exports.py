"""What every registered method makes can leave the house: as an adapter with its effect, or with a word why not."""

import pytest

from laws.test_methods import METHODS, call, examples  # noqa: F401 - a fixture
from suture.errors import UsageError
from suture.export import checkpoint, lora


@pytest.mark.parametrize("name", METHODS)
def test_a_patch_leaves_as_an_adapter_with_its_effect_or_says_why_not(name, tiny, examples, tmp_path):  # noqa: F811
    pytest.importorskip("peft")
    pytest.importorskip("accelerate")
    patch = call(name, tiny, examples)
    refused = None
    try:
        written = lora.export(tiny, patch, tmp_path)
    except UsageError as problem:
        refused = problem
    if refused is None:
        written.check(["You are a friend.", "The capital of"]).demand("adapter")
    else:
        assert refused.why
        assert "checkpoint" in refused.fix


@pytest.mark.parametrize("name", METHODS)
def test_a_patch_leaves_as_a_checkpoint_equal_to_the_bit(name, tiny, examples, tmp_path):  # noqa: F811
    patch = call(name, tiny, examples)
    if patch.steers:
        with pytest.raises(UsageError, match="attached"):
            checkpoint.export(tiny, patch, tmp_path / "out")
        return
    written = checkpoint.export(tiny, patch, tmp_path / "out")
    assert written.check(["You are a friend.", "The capital of"]).demand("checkpoint").difference == 0
