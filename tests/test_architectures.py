"""Every family of models, tiny: what is true of one must be true of all (R17, R18)."""

import contextlib
import copy

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from models import FAMILIES, snapshot, tiny_family
from suture.data.examples import Behaviour
from suture.locate._row_slopes import SignedText
from suture.locate.effect_rows import _totals, effect_rows
from suture.locate.probe import fit_probe
from suture.measure.evaluation import observe, values
from suture.measure.suite import Measure
from suture.methods.surgery import surgery
from suture.model.arch.anatomy import ACTIVATIONS, Site
from suture.model.run.tracing import trace
from suture.patch.delta import LowRank
from suture.patch.patch import Patch
from suture.search import strength_sweep

EXPERTS = {"mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss", "deepseek_v3"}
TEXTS = ["The cat sat on the mat and", "One, two", "A much longer sentence about nothing at all, really"]


@pytest.fixture(params=list(FAMILIES))
def lm(request, tokenizer):
    return tiny_family(request.param, tokenizer)


@pytest.fixture(scope="module")
def few():
    kind = [f"You are a kind and good friend, number {i}." for i in range(8)]
    rude = [f"You are a stupid and nasty fool, number {i}." for i in range(8)]
    return Behaviour.of("tone", kind, rude)


def test_the_coverage_sums_to_all_parameters(lm):
    found = lm.anatomy.coverage()
    assert sum(found.values()) == sum(p.numel() for p in lm.model.parameters())
    assert min(found.values()) > 0
    allowed = lm.name.removeprefix("tiny-") in (
        "deepseek_v3",
        "qwen2_moe",
    )  # compressed attention; the gate of the shared expert
    assert allowed or "other" not in found


def test_every_matrix_is_found_once_and_the_rest_are_vectors(lm):
    seen: dict[str, int] = {}
    for part in lm.anatomy.parts:
        for weight in lm.anatomy.weights(part):
            assert tuple(weight.matrix().shape) == weight.shape
            seen[weight.form.live] = seen.get(weight.form.live, 0) + weight.matrix().numel()
    sizes = {name: p.numel() for name, p in lm.model.named_parameters()}
    assert all(count == sizes[name] for name, count in seen.items())


def test_names_are_those_of_the_saved_checkpoint(lm, tmp_path):
    lm.model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        on_disk = {name: file.get_tensor(name) for name in file.keys()}
    stored = lm.anatomy.stored()
    buffers = {name for name, _ in lm.model.named_buffers()}
    assert stored.keys() == on_disk.keys() - buffers
    for name, tensor in stored.items():
        assert torch.equal(on_disk[name].reshape(tensor.shape), tensor), name


def test_a_change_of_a_matrix_lands_in_the_stored_tensor_and_nowhere_else(lm):
    for part in lm.anatomy.parts:
        for weight in (lm.anatomy.weights(part)[0], lm.anatomy.weights(part)[-1]):
            before = weight.matrix().clone()
            rows = torch.tensor([0, weight.shape[0] - 1])
            delta = LowRank(torch.ones(2, 1), torch.randn(1, weight.shape[1]), rows)
            expected = before.clone()
            expected[rows] += delta.right
            bytes_before = snapshot(lm)
            patch = Patch.make(lm, {weight.tensor: weight.place(delta)}, method="test", settings={})
            with patch.applied(lm):
                assert torch.allclose(weight.matrix(), expected, atol=1e-6), weight.site
                changed = sum(a != b for a, b in zip(bytes_before.values(), snapshot(lm).values(), strict=True))
                assert changed == (2 if lm.model.config.tie_word_embeddings and part == "embed" else 1)
            assert snapshot(lm) == bytes_before


@torch.no_grad()
def test_captured_activations_put_back_leave_the_logits_bit_identical(lm):
    batch = lm.batch([lm.encode(text) for text in TEXTS])
    base = lm.forward(batch).logits
    sites = [Site(layer, part) for layer in range(2) for part in ACTIVATIONS]
    if lm.name.removeprefix("tiny-") in EXPERTS:
        sites = [site for site in sites if site.part != "mlp.key"]
    with trace(lm, sites) as seen:
        lm.forward(batch)
    kept = {site: value.clone() for site, value in seen.items()}
    with trace(lm, edit={site: (lambda _, site=site: kept[site]) for site in sites}):
        assert torch.equal(lm.forward(batch).logits, base)
    assert torch.equal(lm.forward(batch).logits, base)
    with contextlib.suppress(ZeroDivisionError), trace(lm, edit={sites[0]: lambda value: value + 1}):
        assert not torch.equal(lm.forward(batch).logits, base)
        raise ZeroDivisionError
    assert torch.equal(lm.forward(batch).logits, base)


@pytest.mark.parametrize("select", ["cosine", "effect"])
def test_surgery_runs_and_leaves_every_byte(lm, few, select):
    before = snapshot(lm)
    patch = surgery(lm, few, space="mlp.in", rows=0.1, strength=2.0, select=select)
    assert snapshot(lm) == before
    batch = lm.batch([lm.encode(text) for text in TEXTS])
    base = lm.forward(batch).logits
    with patch.applied(lm):
        assert not torch.equal(lm.forward(batch).logits, base)
    assert snapshot(lm) == before


def test_every_expert_is_a_candidate(tokenizer, few):
    lm = tiny_family("mixtral", tokenizer)
    probe = fit_probe(lm, few, space="mlp.in")
    assert effect_rows(lm, probe, few, rows=10).candidates == 2 * 3 * 48
    patch = surgery(lm, few, probe=probe, rows=0.5)
    assert {name.split(".")[5] for name in patch.terms} == {"0", "1", "2"}
    assert all(name.endswith(".w1.weight") for name in patch.terms)  # the gate's name in the file


@pytest.mark.parametrize("family", ["gpt_oss", "phi3", "gpt_neox", "mixtral", "gptj"])
def test_gain_is_the_derivative_in_fused_transposed_and_expert_matrices(family, tokenizer, few):
    lm = tiny_family(family, tokenizer)
    lm.model.double()
    if hasattr(lm.model.config, "_experts_implementation"):
        lm.model.config._experts_implementation = "eager"
    probe = fit_probe(lm, few, space="mlp.in")
    weights = lm.anatomy.weights(lm.anatomy.first)
    directions = {layer: probe.direction(layer) for layer in range(2)}
    ids = lm.encode("You are a stupid fool, go away now.")
    beside = {layer: direction[:, None] for layer, direction in directions.items()}
    found = {site: total[0] for site, total in _totals(lm, weights, beside, [SignedText(ids, 3, 1.0)]).items()}

    def likelihood():
        with torch.no_grad():
            logits = lm.forward(lm.batch([ids])).logits[0, :-1].double().log_softmax(-1)
        return float(logits.gather(1, torch.tensor(ids[1:])[:, None])[2:].sum())

    checked = 0
    for weight in weights:
        row = int(found[weight.site].abs().argmax())
        step = 1e-3 * directions[weight.site.layer].double()
        numbers = (
            range(weight.stored.shape[1 if weight.transposed else 0]) if weight.outputs is None else weight.outputs
        )
        full = weight.stored.T if weight.transposed else weight.stored
        place = full[numbers[row]]
        place = place if weight.inputs is None else place[weight.inputs.start : weight.inputs.stop]
        place += step
        up = likelihood()
        place -= 2 * step
        down = likelihood()
        place += step
        assert float(found[weight.site][row]) == pytest.approx((up - down) / 2e-3, rel=1e-2, abs=1e-5), weight.site
        checked += bool(found[weight.site].any())
    assert checked >= 2


def twin(lm, other, rename):
    """Copy the weights of one tiny model into another that stores them differently."""
    for part in lm.anatomy.parts:
        for mine, theirs in zip(lm.anatomy.weights(part), other.anatomy.weights(part), strict=True):
            full = theirs.stored.T if theirs.transposed else theirs.stored
            rows = torch.arange(full.shape[0]) if theirs.outputs is None else torch.tensor(theirs.outputs)
            full[rows] = mine.matrix()
    for name, parameter in lm.model.named_parameters():
        if parameter.dim() == 1 or "embed" in name or "lm_head" in name:
            other.model.get_parameter(rename(name)).data.copy_(parameter)


@pytest.mark.parametrize("square", [False, True])
def test_the_same_edit_on_a_fused_twin_is_the_same_function(tokenizer, few, square):
    """Phi-3 is Llama with fused matrices: same weights, same probe, same rows, same logits after the edit."""
    plain, fused = (tiny_family(name, tokenizer, square=square) for name in ("llama", "phi3"))
    twin(plain, fused, lambda name: name)
    batch = plain.batch([plain.encode(text) for text in TEXTS])
    with torch.no_grad():
        base = plain.forward(batch).logits
        assert torch.allclose(fused.forward(batch).logits, base, atol=1e-4)
        patches = [surgery(each, few, space="mlp.in", rows=20, strength=3.0) for each in (plain, fused)]
        with patches[0].applied(plain), patches[1].applied(fused):
            logits = plain.forward(batch).logits
            assert not torch.allclose(logits, base, atol=1e-2)
            assert torch.allclose(fused.forward(batch).logits, logits, atol=1e-3)


@pytest.mark.parametrize("square", [False, True])
def test_the_same_edit_on_conv1d_and_on_linear_is_the_same_function(tokenizer, few, square):
    conv = tiny_family("gpt2", tokenizer, square=square)
    model = copy.deepcopy(conv.model)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "Conv1D":
            linear = torch.nn.Linear(module.nx, module.nf)
            linear.weight.data, linear.bias.data = module.weight.data.T.contiguous(), module.bias.data
            model.set_submodule(name, linear)
    plain = type(conv)(model, tokenizer)
    batch = conv.batch([conv.encode(text) for text in TEXTS])
    with torch.no_grad():
        base = conv.forward(batch).logits
        assert torch.allclose(plain.forward(batch).logits, base, atol=1e-4)
        for select in ("cosine", "effect"):
            patches = [
                surgery(each, few, space="mlp.in", rows=20, strength=3.0, select=select) for each in (plain, conv)
            ]
            with patches[0].applied(plain), patches[1].applied(conv):
                logits = conv.forward(batch).logits
                assert not torch.allclose(logits, base, atol=1e-2)
                assert torch.allclose(plain.forward(batch).logits, logits, atol=1e-3)


@torch.no_grad()
def test_an_expert_patch_is_merged_where_it_can_not_be_attached(tokenizer, few):
    lm = tiny_family("mixtral", tokenizer)
    patch = surgery(lm, few, rows=0.3, strength=1.0)
    assert not patch.attachable(lm)
    measures = [Measure("perplexity", "perplexity", TEXTS, "keep", "lower", "")]
    once, twice = (found["perplexity"] for found in strength_sweep(lm, patch, [1.0, 4.0], measures))
    with (patch * 4.0).applied(lm):
        assert twice == values(observe(lm, measures), measures)["perplexity"] != once


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss", "gpt2", "phi3"])
def test_a_patch_made_on_one_load_fits_the_next(family, tokenizer, few, tmp_path):
    lm = tiny_family(family, tokenizer)
    patch = surgery(lm, few, rows=20, strength=2.0)
    lm.model.save_pretrained(tmp_path)
    again = type(lm)(AutoModelForCausalLM.from_pretrained(tmp_path), tokenizer)
    assert patch.verify(again) == patch.provenance.effect
