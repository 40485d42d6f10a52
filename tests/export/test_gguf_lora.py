import random
import sys

import pytest
import torch

from models import tiny_family
from suture.errors import CorruptFile, UnsupportedModel, UsageError, VerificationFailed
from suture.export import _gguf, gguf_control, gguf_lora
from suture.io import gguf
from suture.patch.delta import LowRank
from suture.patch.patch import Patch

pytest.importorskip("gguf")


@pytest.mark.parametrize("family", _gguf.ARCHITECTURES)
def test_reading_back_gives_the_effect_of_the_patch(family, tokenizer, low_rank, tmp_path):
    lm = tiny_family(family, tokenizer)
    patch = low_rank(lm, lm.anatomy.parts, rank=2)
    written = gguf_lora.export(lm, patch, tmp_path / "a.gguf")
    seen = written.check(["You are a friend.", "The capital of"]).demand("adapter")
    assert seen.difference <= 1e-5 * max(1, seen.logit)
    assert written.exact


def test_the_file_says_what_llama_cpp_wants_to_know(llama, low_rank, tmp_path):
    """The keys that llama.cpp's loader (src/llama-adapter.cpp) checks, and its rule for shapes: ne is read from the right."""
    from gguf import GGUFReader

    patch = low_rank(llama, ["mlp.gate"], rank=2)
    gguf_lora.export(llama, patch, tmp_path / "a.gguf")
    reader = GGUFReader(tmp_path / "a.gguf")
    fields = {name: reader.fields[name].contents() for name in reader.fields}
    assert fields["general.type"] == "adapter"
    assert fields["general.architecture"] == "llama"
    assert fields["adapter.type"] == "lora"
    assert fields["adapter.lora.alpha"] == 2.0
    shapes = {tensor.name: [int(n) for n in tensor.shape] for tensor in reader.tensors}
    assert len(shapes) == 6
    assert shapes["blk.1.ffn_gate.weight.lora_a"] == [32, 2]
    assert shapes["blk.1.ffn_gate.weight.lora_b"] == [2, 48]
    data = {tensor.name: torch.tensor(tensor.data) for tensor in reader.tensors}
    product = data["blk.1.ffn_gate.weight.lora_b"] @ data["blk.1.ffn_gate.weight.lora_a"]
    terms = patch.terms["model.layers.1.mlp.gate_proj.weight"]
    expected = sum(term.at(torch.arange(48), (48, 32)) for term in terms)
    assert torch.allclose(product.double(), expected, atol=1e-6)


def test_different_ranks_have_no_alpha(llama, low_rank, tmp_path):
    """llama.cpp scales by alpha / rank where alpha is not 0, and by 1 where it is."""
    patch = low_rank(llama, ["mlp.gate"], rank=2) + low_rank(llama, ["mlp.up"], seed=1)
    written = gguf_lora.export(llama, patch, tmp_path / "a.gguf")
    assert gguf.read(written.path)[0]["adapter.lora.alpha"] == 0.0
    assert written.check(["The cat"]).passed


def halves(x, angle):
    """Rotary embedding as transformers has it: x[i] is paired with x[i + d/2]."""
    a, b = x.chunk(2)
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()])


def neighbours(x, angle):
    """Rotary embedding as llama.cpp has it for llama: x[2i] is paired with x[2i + 1]."""
    a, b = x[0::2], x[1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], 1).flatten()


def test_sorted_queries_and_keys_attend_as_before():
    """Scores of two heads of width 6 at two positions, by either rotation on the matrix it expects."""
    torch.manual_seed(0)
    query, key, x, y = torch.randn(12, 5), torch.randn(12, 5), torch.randn(5), torch.randn(5)
    angle = torch.tensor([1.0, 0.3, 0.02])
    sorted_query, sorted_key = _gguf.sort_rows(query, 2), _gguf.sort_rows(key, 2)
    for head in (slice(0, 6), slice(6, 12)):
        score = halves((query @ x)[head], 3 * angle) @ halves((key @ y)[head], 7 * angle)
        theirs = neighbours((sorted_query @ x)[head], 3 * angle) @ neighbours((sorted_key @ y)[head], 7 * angle)
        assert torch.allclose(score, theirs, atol=1e-5)
    assert not torch.equal(sorted_query, query)
    assert torch.equal(_gguf.sort_rows(sorted_query, 2, back=True), query)


def test_transformers_reads_the_sorting_back(llama, low_rank, tmp_path):
    """Its own reader of GGUF models undoes llama.cpp's sorting; keys have half as many heads as queries here."""
    ggml = pytest.importorskip("transformers.modeling_gguf_pytorch_utils")
    patch = low_rank(llama, ["attn.q", "attn.k"])
    gguf_lora.export(llama, patch, tmp_path / "a.gguf")
    _, tensors = gguf.read(tmp_path / "a.gguf")
    undo = ggml.LlamaTensorProcessor(config={})._reverse_permute_weights
    for letter, heads in (("q", 4), ("k", 2)):
        name = f"blk.0.attn_{letter}.weight.lora_"
        change = (tensors[f"{name}b"] @ tensors[f"{name}a"]).numpy()
        ours = torch.tensor(undo(change, 4, heads))
        (term,) = patch.terms[f"model.layers.0.self_attn.{letter}_proj.weight"]
        assert torch.allclose(ours.double(), term.at(torch.arange(len(ours)), tuple(ours.shape)), atol=1e-6)


def test_unknown_layouts_and_experts_are_refused(tokenizer, low_rank, tmp_path):
    for family in ("gpt_neox", "mixtral"):
        lm = tiny_family(family, tokenizer)
        with pytest.raises(UnsupportedModel, match=family) as caught:
            gguf_lora.export(lm, low_rank(lm, ["attn.o"]), tmp_path / "a.gguf")
        assert "convert_lora_to_gguf.py" in caught.value.fix
    assert not (tmp_path / "a.gguf").exists()


def test_a_wrong_or_torn_file_is_found(llama, low_rank, tmp_path):
    patch, path = low_rank(llama, ["mlp.gate"]), tmp_path / "a.gguf"
    gguf_lora.export(llama, low_rank(llama, ["mlp.gate"], seed=1), path)
    with pytest.raises(VerificationFailed):
        gguf_lora.check(llama, patch, path).demand("adapter")
    path.write_bytes(b"GGUX" + path.read_bytes()[4:])
    with pytest.raises(CorruptFile):
        gguf_lora.read(llama, path)
    with pytest.raises(UsageError):
        gguf_lora.read(llama, tmp_path / "none.gguf")
    path.unlink()
    gguf.write(path, "controlvector", {}, {"direction.1": torch.ones(32)})
    with pytest.raises(CorruptFile, match="no LoRA adapter"):
        gguf_lora.read(llama, path)
    with pytest.raises(UsageError):
        gguf_control.check(llama, patch, tmp_path / "none.gguf")


def test_a_damaged_file_is_read_or_refused_but_never_a_crash(llama, low_rank, tmp_path):
    path = tmp_path / "a.gguf"
    good = gguf_lora.export(llama, low_rank(llama, ["mlp.gate"]), path).path.read_bytes()
    dice, refused = random.Random(0), 0
    for _ in range(100):
        content = bytearray(good[: dice.randrange(len(good))] if dice.random() < 0.3 else good)
        for _ in range(3 * bool(content)):
            content[dice.randrange(min(1600, len(content)))] = dice.randrange(256)  # where names and sizes stand
        path.write_bytes(content)
        for read in (lambda: gguf_lora.read(llama, path), lambda: gguf.read_vectors(path)):
            try:
                read()
            except CorruptFile:
                refused += 1
    assert refused > 100


def test_without_gguf_it_says_what_to_install(llama, low_rank, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UsageError, match="gguf") as caught:
        gguf_lora.export(llama, low_rank(llama, ["mlp.gate"]), tmp_path / "a.gguf")
    assert "suture[gguf]" in caught.value.fix


def test_the_head_has_a_name(llama, tmp_path):
    size = llama.tensor("lm_head.weight").shape
    change = LowRank(torch.ones(size[0], 1), torch.randn(1, size[1]))
    patch = Patch.make(llama, {"lm_head.weight": change}, method="test", settings={})
    written = gguf_lora.export(llama, patch, tmp_path / "a.gguf")
    assert gguf.read(written.path)[1].keys() == {"output.weight.lora_a", "output.weight.lora_b"}
    assert written.check(["The cat"]).passed
