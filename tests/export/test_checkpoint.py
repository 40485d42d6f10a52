import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from models import snapshot, tiny_family
from suture.errors import ResourceError, UsageError, VerificationFailed
from suture.export import checkpoint
from suture.export.check import logits
from suture.model.lm import LM
from suture.patch.provenance import Stamp


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3", "mixtral", "gpt_oss", "gemma"])
def test_plain_transformers_loads_what_the_patch_promises(family, tokenizer, low_rank, tmp_path):
    lm = tiny_family(family, tokenizer)
    patch = low_rank(lm, lm.anatomy.parts)
    before = snapshot(lm)
    written = checkpoint.export(lm, patch, tmp_path / "out")
    assert snapshot(lm) == before
    seen = written.check(["You are a friend.", "The capital of"]).demand("checkpoint")
    assert seen.difference == 0
    again = LM(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), tokenizer)
    for name, stamp in patch.after.items():
        assert Stamp.of(again.tensor(name), again.disk_dtype(name)) == stamp
    with patch.applied(lm):
        assert all(torch.equal(a, b) for a, b in zip(logits(lm, ["The cat"]), logits(again, ["The cat"]), strict=True))


def test_the_type_on_disk_is_kept(patient, low_rank, tmp_path):
    """The bundled model is bf16 on disk and computed in float32."""
    patch = low_rank(patient, ["mlp.gate"], size=0.1)
    written = checkpoint.export(patient, patch, tmp_path / "out")
    assert {str(p.dtype) for p in patient.model.parameters()} == {"torch.float32"}
    raw = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert {str(p.dtype) for p in raw.parameters()} == {"torch.bfloat16"}
    assert written.check(["You are a"]).demand("checkpoint").difference == 0
    assert LM.load(tmp_path / "out").tokenizer.chat_template == patient.tokenizer.chat_template


def test_a_type_that_does_not_hold_the_stored_one_is_refused(low_rank, tmp_path):
    """float16 has fewer exponents than bf16: small weights would be lost without a word."""
    lm = LM.load("patient", dtype="float16")
    with pytest.raises(UsageError, match="as it was stored") as caught:
        checkpoint.export(lm, low_rank(lm, ["mlp.gate"]), tmp_path / "out")
    assert "bfloat16" in caught.value.why
    assert not (tmp_path / "out").exists()


def test_another_weight_is_found(llama, low_rank, tmp_path):
    patch = low_rank(llama, ["mlp.gate"])
    checkpoint.export(llama, 2.0 * patch, tmp_path / "out")
    with pytest.raises(VerificationFailed, match="gate_proj"):
        checkpoint.check(llama, patch, tmp_path / "out")


def test_a_folder_in_use_is_refused_and_a_failure_leaves_nothing(llama, low_rank, tmp_path, monkeypatch):
    patch = low_rank(llama, ["mlp.gate"])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        checkpoint.export(llama, patch, tmp_path / "full")
    before = snapshot(llama)

    def full(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr(llama.tokenizer, "save_pretrained", full)
    with pytest.raises(UsageError, match="can not write"):
        checkpoint.export(llama, patch, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert snapshot(llama) == before


@pytest.mark.parametrize(
    ("kind", "words"), [(Exception, "{}"), (SafetensorError, "Error while serializing: I/O error: {}")]
)
def test_a_full_disk_is_known_by_the_words_of_libraries(llama, low_rank, tmp_path, monkeypatch, kind, words):
    def full(*_, **__):
        raise kind(words.format("No space left on device (os error 28)"))

    monkeypatch.setattr(llama.tokenizer, "save_pretrained", full)
    with pytest.raises(ResourceError, match="no room"):
        checkpoint.export(llama, low_rank(llama, ["mlp.gate"]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
