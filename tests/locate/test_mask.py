import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import CorruptFile, PatchMismatch
from suture.io import tensorfile
from suture.locate.mask import FORMAT, Mask, _packed, _unpacked


def made(index=(0, 3, 300, 1535)) -> Mask:
    name = "model.layers.1.mlp.down_proj.weight"
    return Mask({name: torch.tensor(index)}, {name: (32, 48)}, 9_216, {"by": "impact", "share": 0.01})


@given(st.sets(st.integers(0, 100_000), max_size=200))
def test_gaps_come_back_as_they_were(numbers):
    index = torch.tensor(sorted(numbers), dtype=torch.int64)
    assert torch.equal(_unpacked(_packed(index), len(index)), index)


def test_one_in_a_hundred_takes_about_a_byte_an_entry():
    index = torch.rand(1_000_000, generator=torch.Generator().manual_seed(0)).topk(10_000).indices.sort().values
    assert _packed(index).numel() * 8 < 1.15 * len(index)


def test_a_file_holds_all_of_it(tmp_path, llama):
    mask = made()
    path = mask.save(tmp_path / "mask.safetensors")
    loaded = Mask.load(path)
    (name,) = mask.entries
    assert torch.equal(loaded.entries[name], mask.entries[name])
    assert (loaded.shapes, loaded.candidates, loaded.about) == (mask.shapes, mask.candidates, mask.about)
    assert loaded.count == 4
    loaded.check(llama)
    assert mask.save(tmp_path / "again").read_bytes() == path.read_bytes()


def test_another_model_is_refused(gpt2, tokenizer):
    from models import tiny_llama

    with pytest.raises(PatchMismatch):
        made().check(gpt2)
    with pytest.raises(PatchMismatch, match="another model"):
        made().check(tiny_llama(tokenizer, square=True))


def test_a_damaged_file_is_refused_wherever_it_is_hurt(tmp_path):
    path = made().save(tmp_path / "mask.safetensors")
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(CorruptFile):
            Mask.load(path)


@pytest.mark.parametrize("wrong", ["count", "shape", "name"])
def test_a_file_that_does_not_agree_with_itself_is_refused(tmp_path, wrong):
    import json

    path = made().save(tmp_path / "mask.safetensors")
    tensors, metadata = tensorfile.read(path, FORMAT)
    content = json.loads(metadata["content"])
    (name,) = content["counts"]
    if wrong == "count":
        content["counts"][name] = 3
    elif wrong == "shape":
        content["shapes"][name] = [8, 8]
        assert math.prod(content["shapes"][name]) < 300
    else:
        content["shapes"] = {"other": [32, 48]}
    tensorfile.write(path, tensors, {"format": FORMAT, "content": json.dumps(content)})
    with pytest.raises(CorruptFile):
        Mask.load(path)
