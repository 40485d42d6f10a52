"""What is loaded is the model that was named, whole: anything else is refused before a number of it is used."""

import copy
import json
import logging
import socket
from types import SimpleNamespace

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from models import snapshot
from suture.errors import CorruptFile, SutureError, UnsupportedModel, UsageError
from suture.goals.plan import plan
from suture.io.network import unreachable
from suture.model.lm import LM


@pytest.fixture
def folder(llama, tmp_path):
    path = tmp_path / "model"
    llama.model.save_pretrained(path)
    llama.tokenizer.save_pretrained(path)
    return path


def edit(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def rename(folder, change):
    """Give the tensors of a folder other names, or leave them out (None)."""
    file = folder / "model.safetensors"
    tensors = {change(name): tensor for name, tensor in load_file(file).items()}
    tensors.pop(None, None)
    save_file(tensors, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("prefix", "by"),
    [("_orig_mod.", "torch.compile"), ("module.", "DistributedDataParallel"), ("my_wrapper.", "'my_wrapper.' before")],
)
def test_names_that_do_not_fit_are_refused_with_their_cause(folder, prefix, by, capfd):
    rename(folder, lambda name: prefix + name)
    with pytest.raises(CorruptFile, match="30 of the 30 tensors") as told:
        LM.load(folder)
    assert by in told.value.why
    assert prefix in told.value.fix
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


def test_one_tensor_that_is_missing_is_enough(folder):
    rename(folder, lambda name: None if name == "model.norm.weight" else name)
    with pytest.raises(CorruptFile, match="1 of the 30 tensors") as told:
        LM.load(folder)
    assert "model.norm.weight" in told.value.why


def test_the_head_of_another_task_is_no_language_model(folder):
    rename(folder, lambda name: name.replace("lm_head", "score"))
    with pytest.raises(CorruptFile, match="1 of the 30 tensors") as told:
        LM.load(folder)
    assert "score.weight" in told.value.why


def test_a_vocabulary_that_was_resized_names_the_number_to_set(folder, llama):
    rows = llama.model.config.vocab_size
    edit(folder / "config.json", vocab_size=rows + 3)
    with pytest.raises(CorruptFile, match="have another shape") as told:
        LM.load(folder)
    assert "resized" in told.value.why
    assert f'"vocab_size": {rows} ' in told.value.fix
    edit(folder / "config.json", vocab_size=rows, intermediate_size=40)
    with pytest.raises(CorruptFile, match="9 of the 30") as told:
        LM.load(folder)
    assert "resized" not in told.value.why


def test_what_the_files_have_beside_is_noted(folder, llama, caplog):
    file = folder / "model.safetensors"
    save_file({**load_file(file), "value_head.weight": torch.ones(2)}, file, {"format": "pt"})
    with caplog.at_level(logging.WARNING, "suture"):
        assert snapshot(LM.load(folder)) == snapshot(llama)
    assert "1 tensors of its files are no part of the model" in caplog.text
    assert "value_head.weight" in caplog.text


def test_a_tied_head_is_not_missing(gpt2, tmp_path, caplog):
    gpt2.model.save_pretrained(tmp_path)
    gpt2.tokenizer.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    assert snapshot(LM.load(tmp_path)) == snapshot(gpt2)
    assert not caplog.text


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4-bit"),
        ({"quant_method": "gptq", "bits": 4}, "GPTQ 4-bit"),
        ({"quant_method": "awq", "bits": 4}, "AWQ 4-bit"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "compressed-tensors"),
        ({"quant_method": "fp8"}, "fp8"),
    ],
)
@pytest.mark.parametrize("door", [LM.load, plan])
def test_quantised_models_are_refused_as_apply_refuses_them(folder, settings, told, door):
    edit(folder / "config.json", quantization_config=settings)
    with pytest.raises(UnsupportedModel, match=f"is quantised: {told}"):
        door(folder)


@pytest.mark.parametrize(
    "config",
    [
        transformers.T5Config(
            d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, architectures=["T5ForConditionalGeneration"]
        ),
        transformers.BartConfig(
            d_model=8, encoder_layers=1, decoder_layers=1, architectures=["BartForConditionalGeneration"]
        ),
        transformers.BertConfig(hidden_size=8, num_hidden_layers=1, architectures=["BertForMaskedLM"]),
        transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, architectures=["ViTModel"]),
    ],
    ids=lambda config: config.model_type,
)
@pytest.mark.parametrize("door", [LM.load, plan])
def test_what_is_no_decoder_only_language_model_is_told_so(tmp_path, config, door):
    config.save_pretrained(tmp_path)
    with pytest.raises(UnsupportedModel, match="is no decoder-only language model") as told:
        door(tmp_path)
    assert config.architectures[0] in told.value.why


def test_more_tokens_than_rows_are_counted(folder, llama):
    tokenizer, rows = copy.deepcopy(llama.tokenizer), llama.model.config.vocab_size
    tokenizer.add_tokens(["<extra1>", "<extra2>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UsageError, match=f"has {rows + 2:,} tokens, the model {rows:,} rows") as told:
        LM.load(folder)
    assert "'<extra1>', '<extra2>'" in told.value.why


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("door", [LM.load, plan])
def test_an_adapter_is_never_followed_to_another_model(folder, whole, door):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base", "peft_type": "LORA"}')
    if not whole:
        (folder / "model.safetensors").unlink()
        (folder / "config.json").unlink()
    with pytest.raises(UsageError, match="an adapter of some/base") as told:
        door(folder)
    assert ("take adapter_config.json away" in told.value.fix) == whole


@pytest.mark.parametrize("door", [LM.load, plan])
def test_pickles_are_refused_with_the_way_to_convert_them(folder, llama, door):
    torch.save(llama.model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsupportedModel, match="as pickles") as told:
        door(folder)
    assert "save_pretrained(NEW)" in told.value.fix


@pytest.mark.parametrize("door", [LM.load, plan])
def test_two_sets_of_weights_are_one_too_many(folder, door):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"x": "model.safetensors"}}')
    with pytest.raises(CorruptFile, match="has both"):
        door(folder)


def test_verbosity_is_what_it_was_after_a_failure(folder):
    before = transformers.logging.get_verbosity()
    rename(folder, lambda name: f"x.{name}")
    with pytest.raises(SutureError):
        LM.load(folder)
    assert transformers.logging.get_verbosity() == before


def test_without_a_network_a_name_that_is_wrong_is_answered_at_once(monkeypatch):
    asked = []

    def nobody(host, *_):
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("suture.io.network.getproxies", dict)
    monkeypatch.setattr("suture.io.network.socket", SimpleNamespace(getaddrinfo=nobody))
    with pytest.raises(UsageError) as said:
        LM.load("patint")
    assert asked == ["huggingface.co"]  # and no request is made, repeated five times
    assert 'Did you mean "patient"?' in said.value.fix
    with pytest.raises(UsageError) as said:
        plan("nobody/nothing")
    assert "network" in said.value.fix


def test_behind_a_proxy_names_are_left_to_it(monkeypatch):
    monkeypatch.setattr("suture.io.network.getproxies", lambda: {"https": "http://proxy:3128"})
    monkeypatch.setattr("suture.io.network.socket", None)  # it is not asked
    assert not unreachable()


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_weights_on_a_grid_are_refused_without_a_word_of_it_in_the_config(folder, dtype):
    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith("up_proj.weight"))
    save_file({**tensors, name: tensors[name].to(dtype)}, file, {"format": "pt"})
    with pytest.raises(UnsupportedModel, match="quantised"):
        LM.load(folder)
