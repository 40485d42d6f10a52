"""LoRA adapters of peft, and those that suture wrote, are read as the patches they are; what is more is refused by name."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import FAMILIES, snapshot, tiny_family, tiny_gpt2, tiny_llama
from suture.checkpoint.format.contents import is_adapter
from suture.checkpoint.verbs import apply, revert
from suture.checkpoint.verify import verify
from suture.cli._adapters import patch_files
from suture.errors import CorruptFile, MissingFile, PatchMismatch, SutureError, UnsupportedModel, UsageError
from suture.export import lora
from suture.export.adapter import adapter_patch
from suture.export.bake import bake
from suture.model.lm import LM
from suture.patch.patch import Patch

peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of peft
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def saved(lm, path):
    """The folder of a model, and the model as it is loaded from there."""
    lm.model.save_pretrained(path)
    lm.tokenizer.save_pretrained(path)
    return path, LM.load(path, dtype="float32")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_suture_exports_comes_back_bit_for_bit(family, tokenizer, low_rank, tmp_path):
    lm, folder = tiny_family(family, tokenizer), tmp_path / "model"
    lm.model.save_pretrained(folder)
    patch = low_rank(lm, lm.anatomy.parts, rank=2)
    lora.export(lm, patch, tmp_path / "adapter")
    again = adapter_patch(tmp_path / "adapter", folder, str(folder))
    assert again.before.keys() == patch.before.keys()
    with patch.applied(lm):
        expected = snapshot(lm)
    with again.applied(lm):
        assert snapshot(lm) == expected


@pytest.fixture
def made(request, tokenizer, tmp_path):
    """A base on disk, and an adapter that peft wrote for it."""

    def make(*, make_model=tiny_llama, dtype=torch.float32, **settings):
        lm = make_model(tokenizer)
        lm.model.to(dtype)
        folder, lm = saved(lm, tmp_path / "model")
        settings = {
            "r": 4,
            "lora_alpha": 6,
            "target_modules": ["q_proj", "down_proj"],
            "task_type": "CAUSAL_LM",
            **settings,
        }
        wrapped = peft.get_peft_model(LM.load(folder, dtype="float32").model, peft.LoraConfig(**settings))
        torch.manual_seed(4)
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn_like(parameter) * 0.1
        wrapped.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
        return lm, folder, tmp_path / "adapter", wrapped.eval()

    return make


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"lora_alpha": 1}, {"use_rslora": True}, {"r": 1, "lora_alpha": 32}, {"rank_pattern": {"q_proj": 2}},
        {"rank_pattern": {"layers.0.self_attn.q_proj": 3}, "alpha_pattern": {"down_proj": 9}}, {"target_modules": "all-linear"},
        {"alpha_pattern": {r"model.layers.1.*q_proj": 2}, "use_rslora": True}, {"layers_to_transform": [1]},
        {"make_model": tiny_gpt2, "target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True},
        {"target_modules": ["lm_head", "v_proj"]}, {"init_lora_weights": "gaussian"},
    ],
    ids=lambda settings: ",".join(settings) or "default",
)  # fmt: skip
@torch.no_grad()
def test_an_adapter_of_peft_does_as_a_patch_what_peft_does_with_it(made, settings):
    lm, folder, adapter, wrapped = made(**settings)
    ids = torch.tensor([lm.encode("Anna read a book.")])
    base, expected = lm.model(ids).logits, wrapped(ids).logits
    patch = adapter_patch(adapter, folder, "base")
    assert patch.provenance.method == "adapter"
    with patch.applied(lm):
        actual = lm.model(ids).logits
    assert (actual - expected).abs().max() < 1e-4 * (expected - base).abs().max() + 1e-5


def change(folder, **words):
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, **words}))


def tensors(folder, make):
    save_file(make(load_file(folder / WEIGHTS)), folder / WEIGHTS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"use_dora": True}, "DoRA"), ({"modules_to_save": ["lm_head"]}, "whole modules"), ({"bias": "all"}, "biases"),
        ({"bias": "lora_only"}, "biases"), ({"lora_bias": True}, "biases"), ({"trainable_token_indices": [1]}, "embeddings"),
        ({"layer_replication": [[0, 2]]}, "copies blocks"), ({"peft_type": "IA3"}, "IA3, not LoRA"),
        ({"peft_type": "ADALORA"}, "ADALORA"), ({"peft_type": "PREFIX_TUNING"}, "PREFIX_TUNING"), ({"peft_type": ""}, "not LoRA"),
        ({"init_lora_weights": "pissa"}, "pissa"), ({"init_lora_weights": "pissa_niter_4"}, "base whose weights"),
        ({"init_lora_weights": "olora"}, "olora"), ({"use_qalora": True}, "groups"),
    ],
)  # fmt: skip
def test_what_is_more_than_a_product_is_refused_by_name(made, words, says):
    _, folder, adapter, _ = made()
    change(adapter, **words)
    with pytest.raises(UnsupportedModel, match="is no low-rank patch") as told:
        adapter_patch(adapter, folder, "base")
    assert says in told.value.why
    assert "suture diff BASE MERGED" in told.value.fix


FIRST = "base_model.model.model.layers.0.self_attn.q_proj."


@pytest.mark.parametrize(
    ("make", "kind", "says"),
    [
        (lambda t: {**t, FIRST + "lora_magnitude_vector": torch.ones(3)}, UnsupportedModel, "lora_magnitude_vector"),
        (lambda t: {**t, "base_model.model.lm_head.weight": torch.ones(3, 3)}, UnsupportedModel, "lm_head.weight"),
        (lambda t: {**t, FIRST + "lora_B.bias": torch.ones(3)}, UnsupportedModel, "lora_B.bias"),
        (lambda t: {**t, "base_model.model.model.wte.lora_embedding_A": torch.ones(2, 3)}, UnsupportedModel, "embedding_A"),
        (lambda t: {name: tensor for name, tensor in t.items() if name != FIRST + "lora_B.weight"}, CorruptFile, "one factor"),
        (lambda t: {**t, FIRST + "lora_A.weight": torch.ones(4, 7)}, PatchMismatch, "(4, 7)"),
        (lambda t: {name.replace("layers.0", "layers.7"): tensor for name, tensor in t.items()}, PatchMismatch, "no module"),
        (lambda t: {name.replace("q_proj", "q"): tensor for name, tensor in t.items()}, PatchMismatch, "no module"),
        (lambda t: {name: tensor.to(torch.int8) for name, tensor in t.items()}, UnsupportedModel, "no factors"),
        (lambda t: {name: tensor * float("nan") for name, tensor in t.items()}, CorruptFile, ""),
        (lambda t: {name: tensor * 0 for name, tensor in t.items()}, SutureError, ""),
    ],
)  # fmt: skip
def test_weights_of_an_adapter_that_do_not_fit_are_refused_by_name(made, make, kind, says):
    _, folder, adapter, _ = made()
    tensors(adapter, make)
    with pytest.raises(kind) as told:
        adapter_patch(adapter, folder, "base")
    assert says in str(told.value)


def test_an_adapter_without_its_weights_or_with_pickled_ones_is_refused(made):
    _, folder, adapter, _ = made()
    (adapter / WEIGHTS).unlink()
    with pytest.raises(MissingFile):
        adapter_patch(adapter, folder, "base")
    (adapter / "adapter_model.bin").write_bytes(b"x")
    with pytest.raises(UnsupportedModel, match=WEIGHTS):
        adapter_patch(adapter, folder, "base")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_adapter_goes_on_a_checkpoint_and_off_again(made, dtype, tmp_path):
    lm, folder, adapter, _ = made(dtype=dtype)
    out = tmp_path / "out"
    for path in (adapter, adapter / WEIGHTS):
        with patch_files([path], folder) as files:
            assert files[0].name == "adapter.safetensors"
            apply(folder, files, out)
        assert not [finding for finding in verify(out, base=folder) if finding.problem]
        patch = Patch.load(path, base=folder)
        with patch.applied(lm):
            expected = snapshot(lm)
        assert snapshot(LM.load(out, dtype="float32")) == expected
        revert(out, out=tmp_path / "back")
        assert (tmp_path / "back" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
        shutil.rmtree(out)
        shutil.rmtree(tmp_path / "back")


def test_its_base_is_the_one_it_names_unless_another_is_given(made, tmp_path):
    lm, folder, adapter, _ = made()
    assert is_adapter(adapter)
    assert is_adapter(adapter / WEIGHTS)
    assert not is_adapter(folder)
    assert not is_adapter(folder / "model.safetensors")
    named = Patch.load(adapter)
    assert named.provenance.base["name"] == str(folder)
    assert (named + Patch.load(adapter, base=folder)).terms.keys() == named.terms.keys()
    named.check_base(lm)
    change(adapter, base_model_name_or_path=None)
    with pytest.raises(UsageError, match="does not name its base"):
        Patch.load(adapter)
    assert Patch.load(adapter, base=folder).terms.keys() == named.terms.keys()
    assert isinstance(Patch.load(named.save(tmp_path / "p.safetensors")), Patch)


def test_python_takes_an_adapter_where_it_takes_a_patch(made, monkeypatch, tmp_path):
    lm, folder, adapter, _ = made()
    change(adapter, base_model_name_or_path=str(folder))
    for patch in (Patch.load(adapter), Patch.load(adapter, base=folder), Patch.from_pretrained(adapter, base=folder)):
        assert patch.provenance.method == "adapter"
        patch.check_base(lm)
    baked = bake(lm, patch)
    assert baked.before.keys() == patch.before.keys()
    change(adapter, base_model_name_or_path=None)
    with pytest.raises(UsageError, match="does not name its base"):
        Patch.load(adapter)
    calls = []

    def download(name, file, **_):
        calls.append(file)
        if not (tmp_path / name / file).is_file():
            raise FileNotFoundError(f"404: no {file}")
        return str(tmp_path / name / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    shutil.copytree(adapter, tmp_path / "me" / "adapter")
    assert Patch.from_pretrained("me/adapter", base=folder).terms.keys() == patch.terms.keys()
    assert calls == ["patch.safetensors", CONFIG, WEIGHTS]
    with pytest.raises(UsageError, match=r"404: no patch.safetensors"):
        Patch.from_pretrained("me/nothing")


def test_a_folder_that_holds_a_patch_and_an_adapter_means_the_patch(made, tmp_path):
    _, folder, adapter, _ = made()
    other = Patch.load(adapter, base=folder)
    other.save(adapter / "patch.safetensors")
    assert Patch.from_pretrained(adapter).provenance.method == "adapter"
    assert Patch.from_pretrained(adapter).before == other.before
