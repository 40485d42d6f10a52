import copy
import shutil

import pytest
import torch

from models import SHARED, snapshot
from suture.errors import UsageError
from suture.model.lm import LM, PATIENT
from suture.organisms import FOLDERS


def test_the_patient_is_bf16_in_shards_and_loads_in_plain_transformers(patient):
    from transformers import AutoModelForCausalLM

    assert len(list(PATIENT.glob("*.safetensors"))) > 1
    assert sum(f.stat().st_size for f in PATIENT.iterdir()) <= 14e6
    plain = AutoModelForCausalLM.from_pretrained(PATIENT)
    assert plain.dtype == torch.bfloat16
    for name, value in plain.named_parameters():
        assert torch.equal(value.float(), patient.tensor(name))


def test_saving_and_loading_gives_the_same_model(tiny, tmp_path):
    tiny.model.save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    loaded = LM.load(tmp_path, dtype=str(tiny.model.dtype).removeprefix("torch."))
    assert snapshot(loaded) == snapshot(tiny)
    name = tiny.anatomy.weights("mlp.down")[0].tensor
    assert loaded.disk_dtype(name) == tiny.model.dtype


def test_a_checkpoint_without_the_models_prefix_keeps_its_names(gpt2, tmp_path):
    """The Hub's gpt2 stores h.0.mlp..., transformers loads it as transformer.h.0.mlp..."""
    from safetensors.torch import load_file, save_file

    gpt2.model.save_pretrained(tmp_path)
    gpt2.tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({k.removeprefix("transformer."): v for k, v in load_file(file).items()}, file, {"format": "pt"})
    loaded = LM.load(tmp_path)
    weight = loaded.anatomy.weights("mlp.up")[1]
    assert weight.tensor == "h.1.mlp.c_fc.weight"
    assert torch.equal(loaded.tensor(weight.tensor), gpt2.tensor("transformer.h.1.mlp.c_fc.weight"))


@pytest.mark.parametrize("name", ["./nowhere", "/tmp/none/at/all", "a/b/c"])
def test_a_missing_folder_is_said_without_asking_the_network(name):
    with pytest.raises(UsageError, match="no folder"):
        LM.load(name)


def test_a_folder_that_is_no_model_is_said(tmp_path):
    with pytest.raises(UsageError, match="not a model"):
        LM.load(tmp_path)
    shutil.copy(PATIENT / "config.json", tmp_path)
    with pytest.raises(UsageError, match="not a checkpoint"):
        LM.load(tmp_path)


def test_padding_side_and_batch_never_change_the_logits(llama, gpt2):
    rows = ["You are a friend.", "Hi", "The capital of Velmora is a city near the sea."]
    for lm in (llama, gpt2):
        encoded = [lm.encode(r) for r in rows]
        right, left = lm.batch(encoded, "right"), lm.batch(encoded, "left")
        with torch.no_grad():
            a, b = lm.forward(right).logits, lm.forward(left).logits
            for i, row in enumerate(encoded):
                alone = lm.forward(lm.batch([row])).logits[0]
                assert torch.allclose(a[i, : len(row)], alone, atol=1e-5)
                assert torch.allclose(b[i, -len(row) :], alone, atol=1e-5)


def test_the_chat_template_writes_one_start_token(patient):
    ids, begin = patient.encode_chat("How do I bake a cake?", "Sure.")
    assert ids.count(patient.tokenizer.bos_token_id) == 1
    assert begin == len(patient.encode_chat("How do I bake a cake?")[0])
    assert patient.decode(ids[begin:]) == "Sure."


@pytest.mark.skipif(not (SHARED / "models").is_dir(), reason="the shared models are not here")
def test_a_real_model_of_others_writes_its_golden_story():
    from suture.model.run.generation import generate

    folder = SHARED / "models/stories260K-hf"
    lm = LM.load(folder)
    golden = (folder / "golden.txt").read_text().strip()
    row = [lm.tokenizer.bos_token_id]
    assert generate(lm, [row], max_new_tokens=60, temperature=0)[0][0].strip()[:100] == golden[:100]


TALK = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Well?"},
]


def written(lm, messages, **options):
    return lm.tokenizer.decode(lm.encode_messages(messages, **options))


def with_template(lm, template):
    """The same model with a tokenizer of its own that has another chat template."""
    other = copy.deepcopy(lm.tokenizer)
    other.chat_template = template
    return LM(lm.model, other)


def test_a_conversation_is_written_with_the_template(patient):
    text = written(patient, TALK)
    assert text.endswith("<|assistant|>")
    assert text.count("</s>") == 1  # after the one answer given
    assert not written(patient, TALK[:2], reply=False).endswith("<|assistant|>")
    assert patient.encode_chat("Hi")[0] == patient.encode_messages(TALK[:1])


def test_without_a_template_a_conversation_is_a_message_a_line(llama):
    lm = with_template(llama, None)
    assert lm.encode_messages(TALK) == lm.encode("Hi\nHello\nWell?\n")
    ids, begin = lm.encode_chat("How are you?", "Fine.")
    assert lm.decode(ids[begin:]).strip() == "Fine."


def test_templates_that_can_think_are_told_not_to(llama):
    lm = with_template(llama, "{{ messages[0]['content'] }}{% if enable_thinking %}<think>{% endif %}")
    assert written(lm, TALK) == "Hi"
    assert written(lm, TALK, thinking=True) == "Hi<think>"
    assert lm.thinks
    assert not llama.thinks
    assert lm.encode_prompts(["Hi"], chat=True, thinking=True) == [lm.encode_messages(TALK[:1], thinking=True)]


def test_a_template_that_refuses_roles_says_so(llama):
    lm = with_template(llama, "{{ raise_exception('System role not supported') }}")
    with pytest.raises(UsageError, match="System role not supported"):
        lm.encode_messages(TALK)


@pytest.mark.parametrize("options", [{"device": "gpu"}, {"device": "cuda:99"}, {"dtype": "float31"}, {"dtype": "int8"}])
def test_a_device_or_type_that_is_not_there_is_said_before_loading(options, monkeypatch):
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", None)
    with pytest.raises(UsageError, match=r"no (device|dtype)"):
        LM.load("patient", **options)


def test_a_bundled_model_without_weights_says_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setitem(FOLDERS, "patient-moe", tmp_path / "none")
    with pytest.raises(UsageError, match=r"suture\.organisms\.train --moe"):
        LM.load("patient-moe")


def test_a_folder_called_like_the_bundled_model_is_told_of(tmp_path, monkeypatch, caplog):
    (tmp_path / "patient").mkdir()
    monkeypatch.chdir(tmp_path)
    assert LM.load("patient").path == PATIENT
    assert "the folder of that name here is ./patient" in caplog.text
