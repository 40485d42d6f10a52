import copy
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from models import FAMILIES, snapshot, tiny_family
from suture.errors import UsageError, VerificationFailed
from suture.export import lora
from suture.export.check import logits
from suture.methods.surgery import surgery
from suture.model.lm import LM
from suture.patch.delta import Dense, LowRank
from suture.patch.patch import Patch

pytest.importorskip("peft")
pytest.importorskip("accelerate")
PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def modules(lm):
    return {name: id(module) for name, module in lm.model.named_modules()}


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_runs_every_family_as_the_patch_does(family, tokenizer, low_rank, tmp_path):
    """All parts at once, fused and transposed ones, routers, shared and routed experts: logits equal to 1e-5."""
    lm = tiny_family(family, tokenizer)
    patch = low_rank(lm, lm.anatomy.parts, rank=2)
    before, own = snapshot(lm), modules(lm)
    written = lora.export(lm, patch, tmp_path)
    seen = lora.check(lm, patch, tmp_path)
    assert written.exact
    assert seen.passed
    assert seen.difference <= 1e-5 * max(1, seen.logit) < seen.effect
    assert snapshot(lm) == before
    assert modules(lm) == own
    assert not any(p.requires_grad for p in lm.model.parameters())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_bundled_model_in_every_type(dtype, behaviour, tmp_path):
    lm = LM.load("patient", dtype=dtype)
    patch = surgery(lm, behaviour, space="mlp.in", rows=0.05, strength=2.0)
    lora.export(lm, patch, tmp_path)
    seen = lora.check(lm, patch, tmp_path).demand("adapter")
    assert seen.effect > 10 * seen.difference


def test_every_matrix_has_its_own_rank_and_scale_one(llama, low_rank, tmp_path):
    patch = low_rank(llama, ["mlp.gate"], rank=3) + low_rank(llama, ["mlp.up"], seed=1)
    lora.export(llama, patch, tmp_path)
    config = json.loads((tmp_path / lora.CONFIG).read_text())
    assert (config["r"], config["lora_alpha"]) == (3, 3)
    expected = {f"model.layers.{layer}.mlp.up_proj": 1 for layer in range(3)}
    assert config["rank_pattern"] == config["alpha_pattern"] == expected
    assert len(config["target_modules"]) == 6
    assert config["base_model_name_or_path"] == "tiny-llama"
    assert lora.check(llama, patch, tmp_path).passed


def test_the_config_has_no_key_that_an_older_peft_would_stumble_over(llama, low_rank, tmp_path):
    """peft 0.13 refuses keys that it does not know, whatever their value: those at their defaults are left out."""
    lora.export(llama, low_rank(llama, ["mlp.gate"]), tmp_path)
    config = json.loads((tmp_path / lora.CONFIG).read_text())
    assert {*config} == {
        "base_model_name_or_path",
        "inference_mode",
        "lora_alpha",
        "peft_type",
        "r",
        "target_modules",
        "task_type",
    }


def test_the_file_can_be_read_by_anyone_and_is_the_same_each_time(llama, low_rank, tmp_path):
    from safetensors.torch import load_file

    patch = low_rank(llama, ["mlp.down"])
    for place in ("a", "b"):
        lora.export(llama, patch, tmp_path / place)
    for name in (lora.CONFIG, lora.WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    tensors = load_file(tmp_path / "a" / lora.WEIGHTS)
    term = patch.terms["model.layers.0.mlp.down_proj.weight"][0]
    prefix = "base_model.model.model.layers.0.mlp.down_proj"
    assert torch.equal(tensors[f"{prefix}.lora_A.weight"], term.right)
    assert torch.equal(tensors[f"{prefix}.lora_B.weight"][term.rows], term.left)


def test_conv1d_says_so(gpt2, low_rank, tmp_path):
    lora.export(gpt2, low_rank(gpt2, ["mlp.up"]), tmp_path)
    assert json.loads((tmp_path / lora.CONFIG).read_text())["fan_in_fan_out"] is True


def test_the_head_can_be_adapted(llama, tmp_path):
    size = llama.tensor("lm_head.weight").shape
    change = LowRank(torch.ones(size[0], 1), torch.randn(1, size[1]))
    patch = Patch.make(llama, {"lm_head.weight": change}, method="test", settings={})
    lora.export(llama, patch, tmp_path)
    assert lora.check(llama, patch, tmp_path).passed


def test_experts_say_who_can_load_them(tokenizer, low_rank, tmp_path):
    lm = tiny_family("qwen3_moe", tokenizer)
    written = lora.export(lm, low_rank(lm, ["mlp.gate"]), tmp_path)
    assert "vLLM does not" in written.notes[0]
    config = json.loads((tmp_path / lora.CONFIG).read_text())
    assert config["target_modules"] == []
    assert config["target_parameters"] == [f"model.layers.{i}.mlp.experts.gate_up_proj" for i in range(2)]


def test_an_approximation_is_reported_not_judged(llama, tmp_path):
    weight = llama.anatomy.weights("mlp.up")[0]
    torch.manual_seed(0)
    patch = Patch.make(llama, {weight.tensor: Dense(torch.randn(48, 32))}, method="test", settings={})
    with pytest.raises(UsageError, match="dense"):
        lora.export(llama, patch, tmp_path)
    written = lora.export(llama, patch, tmp_path, rank=4)
    assert written.kept == {"model.layers.0.mlp.up_proj.weight": pytest.approx(0.3, abs=0.15)}
    seen = written.check(["The cat sat"])
    assert seen.passed
    assert 0 < seen.difference


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft asks transformers for an old name
def test_one_adapter_is_swapped_for_another_while_loaded(llama, low_rank, tmp_path, monkeypatch):
    """The code of docs/export.md: same matrices, same ranks, new numbers in place."""
    (code,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    first, second = low_rank(llama, ["mlp.gate"], seed=1), low_rank(llama, ["mlp.gate"], seed=2)
    for name, patch in (("kind", first), ("kinder", second)):
        lora.export(llama, patch, tmp_path / name)
    with second.attached(llama):
        wanted = logits(llama, ["The cat sat"])[0]
    with lora.attached(llama, tmp_path / "kind"):
        assert not torch.allclose(logits(llama, ["The cat sat"])[0], wanted, atol=1e-2)
    monkeypatch.chdir(tmp_path)
    names = {"base": copy.deepcopy(llama.model)}
    exec(compile(code, str(PAGE), "exec"), names)
    with torch.no_grad():
        found = names["model"](llama.batch([llama.encode("The cat sat")]).ids).logits[0]
    assert torch.allclose(found, wanted, atol=1e-5)


def test_a_wrong_adapter_is_found(llama, low_rank, tmp_path):
    written = lora.export(llama, low_rank(llama, ["mlp.gate"], seed=1), tmp_path)
    with pytest.raises(VerificationFailed):
        lora.check(llama, low_rank(llama, ["mlp.gate"], seed=2), written.path).demand("adapter")


def test_a_failing_load_leaves_the_model_whole(llama, low_rank, tmp_path):
    lora.export(llama, low_rank(llama, ["mlp.gate"]), tmp_path)
    config = json.loads((tmp_path / lora.CONFIG).read_text())
    (tmp_path / lora.CONFIG).write_text(json.dumps({**config, "r": 5}))
    own = modules(llama)
    with pytest.raises(RuntimeError, match="size mismatch"), lora.attached(llama, tmp_path):
        pass
    assert modules(llama) == own
    assert not hasattr(llama.model, "peft_config")


def test_without_peft_the_check_says_what_to_install(llama, low_rank, tmp_path, monkeypatch):
    patch = low_rank(llama, ["mlp.gate"])
    written = lora.export(llama, patch, tmp_path)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UsageError, match="peft") as caught:
        written.check(["a"])
    assert "suture[peft]" in caught.value.fix


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_merging_and_unmerging_in_bf16_does_not_restore_what_reverting_does(behaviour, tmp_path):
    """What suture's undo is for: PEFT subtracts what it added, and bf16 has rounded meanwhile."""
    from peft import PeftModel

    lm = LM.load("patient", dtype="bfloat16")
    patch = surgery(lm, behaviour, space="mlp.in", rows=0.05, strength=2.0)
    lora.export(lm, patch, tmp_path)
    before = snapshot(lm)
    with patch.applied(lm):
        changed = snapshot(lm)
    assert changed != before
    assert snapshot(lm) == before  # ours, in memory; on disk: tests/checkpoint
    weights = {name: w.detach().clone() for name, w in lm.model.named_parameters()}
    wrapped = PeftModel.from_pretrained(copy.deepcopy(lm.model), tmp_path)
    wrapped.merge_adapter()
    wrapped.unmerge_adapter()
    after = {n.removeprefix("base_model.model.").replace(".base_layer", ""): w for n, w in wrapped.named_parameters()}
    left = {name: int((after[name] != weights[name]).sum()) for name in patch.terms}
    assert sum(left.values()) > 1000  # of its 4,096 x 192 gate entries, a twentieth of which was edited
