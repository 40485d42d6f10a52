"""A folder made of a GGUF file is the model of that file."""

import gguf
import pytest
import torch

from gguf_models import FAMILIES, tiny_gguf
from suture.errors import CorruptFile, MissingFile, UnsupportedModel, UsageError
from suture.model.lm import LM
from suture.model.load import gguf_folder as library
from suture.model.load.gguf_folder import gguf_folder, tensors_sha256

IDS = [0, 300, 301, 302, 310, 320, 333, 350]


@pytest.mark.parametrize("family", FAMILIES)
def test_it_says_what_the_model_said(family, tokenizer, tmp_path):
    lm = tiny_gguf(tmp_path / "tiny.gguf", family, tokenizer)
    (tmp_path / "new").mkdir()
    made = gguf_folder(tmp_path / "tiny.gguf", tmp_path / "new")
    assert (made.family, made.stored, made.dtype) == (family, ("F32",), torch.float32)
    assert made.parameters == sum(p.numel() for p in lm.model.parameters())
    again = LM.load(tmp_path / "new")
    assert type(again.model) is type(lm.model)
    with torch.no_grad():
        logits, same = (model.forward(model.batch([IDS])).logits for model in (lm, again))
    torch.testing.assert_close(same, logits, atol=1e-4, rtol=1e-4)
    assert logits.std() > 0.1
    assert again.tokenizer.chat_template
    assert len(again.tokenizer) == len(tokenizer)


def test_what_is_quantised_is_written_as_bfloat16_and_near_what_it_was(tokenizer, tmp_path):
    lm = tiny_gguf(tmp_path / "tiny.gguf", "llama", tokenizer, kind=gguf.GGMLQuantizationType.Q8_0)
    (tmp_path / "new").mkdir()
    made = gguf_folder(tmp_path / "tiny.gguf", tmp_path / "new")
    assert made.stored == ("F32", "Q8_0")
    assert made.dtype == torch.bfloat16
    again = LM.load(tmp_path / "new")
    assert not hasattr(again.model.config, "quantization_config")
    before, after = (model.model.model.layers[0].mlp.up_proj.weight for model in (lm, again))
    assert 0 < float((after - before).norm() / before.norm()) < 0.02


def test_half_precision_stays_and_another_type_can_be_asked_for(tokenizer, tmp_path):
    tiny_gguf(tmp_path / "tiny.gguf", "llama", tokenizer, kind=gguf.GGMLQuantizationType.F16)
    for name, dtype, expected in (("a", None, torch.float16), ("b", torch.float32, torch.float32)):
        (tmp_path / name).mkdir()
        assert gguf_folder(tmp_path / "tiny.gguf", tmp_path / name, dtype=dtype).dtype == expected
    assert tensors_sha256(tmp_path / "a") != tensors_sha256(tmp_path / "b")


def test_the_sum_of_tensors_depends_on_every_value_name_and_shape(tokenizer, tmp_path):
    from safetensors.torch import save_file

    def digest(**tensors):
        save_file(tensors, tmp_path / "model.safetensors")
        return tensors_sha256(tmp_path)

    one = torch.arange(6.0)
    assert digest(a=one) == digest(a=one.clone())
    others = [
        digest(a=one + 1),
        digest(b=one),
        digest(a=one.view(2, 3)),
        digest(a=one.half()),
        digest(a=one, b=one.clone()),
    ]
    assert len({digest(a=one), *others}) == 6


def test_a_family_that_is_not_read_is_refused_by_name(tokenizer, tmp_path):
    tiny_gguf(tmp_path / "tiny.gguf", "falcon", tokenizer)
    with pytest.raises(UnsupportedModel, match=r"falcon, which suture does not read\n.*qwen3.*\n.*safetensors"):
        gguf_folder(tmp_path / "tiny.gguf", tmp_path)


def test_a_missing_tensor_is_an_error_not_a_random_number(tokenizer, tmp_path):
    tiny_gguf(tmp_path / "tiny.gguf", "llama", tokenizer, leave=("blk.1.ffn_up.weight",))
    (tmp_path / "new").mkdir()
    with pytest.raises(CorruptFile, match=r"1 of the \d+ tensors .* are not in its files"):
        gguf_folder(tmp_path / "tiny.gguf", tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(64), b"PK" + bytes(100)])
def test_what_is_no_gguf_file_is_called_that(content, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(content)
    with pytest.raises(CorruptFile, match="is not a whole GGUF file"):
        gguf_folder(tmp_path / "tiny.gguf", tmp_path)
    with pytest.raises(MissingFile):
        gguf_folder(tmp_path / "none.gguf", tmp_path)


def test_a_file_that_was_cut_is_damaged(tokenizer, tmp_path):
    tiny_gguf(tmp_path / "tiny.gguf", "llama", tokenizer)
    whole = (tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "tiny.gguf").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "new").mkdir()
    with pytest.raises(CorruptFile):
        gguf_folder(tmp_path / "tiny.gguf", tmp_path / "new")


def test_a_missing_package_is_told_with_what_installs_it(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "find_spec", lambda name: None if name == "accelerate" else name)
    with pytest.raises(UsageError, match=r"read with accelerate\n.*\npip install 'suture\[gguf\]'"):
        gguf_folder(tmp_path / "tiny.gguf", tmp_path)
