import pytest
import torch
from transformers import AutoModelForCausalLM

from models import tiny_family
from steered import anchor, logits, made
from suture.errors import UsageError
from suture.export.bake import bake
from suture.methods.steering import steering
from suture.model.arch.anatomy import Site
from suture.model.lm import LM
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer

BIASED = ("gpt2", "gptj", "gpt_neox", "gpt_oss")


def biased_llama(tokenizer) -> LM:
    lm = tiny_family("llama", tokenizer)
    config = lm.model.config
    config.attention_bias = config.mlp_bias = True
    torch.manual_seed(4)
    return LM(type(lm.model)(config).float(), tokenizer, name="biased-llama")


def model(family, tokenizer) -> LM:
    return biased_llama(tokenizer) if family == "llama with biases" else tiny_family(family, tokenizer)


@pytest.mark.parametrize("family", [*BIASED, "llama with biases"])
def test_baked_is_steered_also_after_saving_and_loading(family, tokenizer, tmp_path):
    lm = model(family, tokenizer)
    patch = made(lm, size=3.0)
    base = logits(lm)
    with patch.attached(lm):
        expected = logits(lm)
    assert not torch.allclose(expected, base, atol=1e-2)
    baked = bake(lm, patch)
    assert not baked.steers
    with baked.applied(lm):
        assert float((logits(lm) - expected).abs().max()) <= 1e-4
        lm.model.save_pretrained(tmp_path)
    assert torch.equal(logits(lm), base)
    again = LM(AutoModelForCausalLM.from_pretrained(tmp_path), tokenizer)
    assert float((logits(again) - expected).abs().max()) <= 1e-4


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gpt_oss", "llama with biases"])
def test_baked_heads_pass_through_the_matrix_that_joins_them(family, tokenizer, tmp_path):
    lm = model(family, tokenizer)
    patch = made(lm, size=3.0, place="heads")
    with patch.attached(lm):
        expected = logits(lm)
    baked = bake(lm, patch)
    with baked.attached(lm):
        assert float((logits(lm) - expected).abs().max()) <= 1e-4
    with baked.applied(lm):
        assert float((logits(lm) - expected).abs().max()) <= 1e-4
        lm.model.save_pretrained(tmp_path)
    again = LM(AutoModelForCausalLM.from_pretrained(tmp_path), tokenizer)
    assert float((logits(again) - expected).abs().max()) <= 1e-4


@pytest.mark.parametrize("family", ["gpt2", "llama with biases"])
def test_what_is_baked_generates_what_steering_generates_with_cache_padding_and_beams(family, tokenizer, tmp_path):
    lm = model(family, tokenizer)
    patch = made(lm, size=6.0)
    rows = [lm.encode(text) for text in ("You are a friend.", "One")]
    asked = {"do_sample": False, "max_new_tokens": 5, "pad_token_id": 1, "eos_token_id": None}

    def said(one, beams):
        batch = one.batch(rows, side="left")
        with torch.no_grad():
            ids = one.model.generate(input_ids=batch.ids, attention_mask=batch.mask, num_beams=beams, **asked)
        return ids[:, batch.ids.shape[1] :].tolist()

    plain = said(lm, 3)
    with patch.attached(lm) as dose:
        dose.beams = 3
        beams = said(lm, 3)
        dose.beams = 1
        greedy = said(lm, 1)
    assert beams != plain
    with bake(lm, patch).applied(lm):
        lm.model.save_pretrained(tmp_path)
    again = LM(AutoModelForCausalLM.from_pretrained(tmp_path), tokenizer)
    assert said(again, 3) == beams
    assert said(again, 1) == greedy


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "phi3", "mixtral", "qwen2_moe", "olmo2"])
def test_where_no_bias_is_the_way_out_is_named(family, tokenizer):
    lm = tiny_family(family, tokenizer)
    with pytest.raises(UsageError, match="can not hold") as caught:
        bake(lm, made(lm))
    assert "attached" in caught.value.fix
    assert "LoRA" in caught.value.fix


@pytest.mark.parametrize(
    "settings", [{"mode": "turn"}, {"mode": "project"}, {"mode": "clamp"}, {"positions": "generated"}]
)
def test_what_depends_on_state_or_place_is_refused(gpt2, settings):
    with pytest.raises(UsageError, match="can not hold"):
        bake(gpt2, made(gpt2, **settings))


def test_a_condition_is_refused(gpt2):
    term = Steer(torch.ones(32), torch.ones(32), reads=anchor(gpt2, 0))
    patch = Patch.make(gpt2, {anchor(gpt2, 1): term}, method="test", settings={})
    with pytest.raises(UsageError, match="can not hold") as caught:
        bake(gpt2, patch)
    assert "condition" in caught.value.why


def test_scales_and_sums_are_baked_too(gpt2, behaviour):
    a, b = steering(gpt2, behaviour, layers=[0]), steering(gpt2, behaviour, layers=[0, 2], unit="raw")
    both = 0.5 * a + -2.0 * b
    with both.attached(gpt2):
        expected = logits(gpt2)
    with bake(gpt2, both).applied(gpt2):
        assert torch.allclose(logits(gpt2), expected, atol=1e-4)
    assert Site(0, "attn.o") == gpt2.anatomy.on(anchor(gpt2, 0))[0].site
