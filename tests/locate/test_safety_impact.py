import random

import pytest
import torch

from models import snapshot, tiny_family, tiny_gpt2, tiny_llama
from suture.data.examples import Behaviour, Labelled
from suture.errors import UsageError
from suture.locate._gradients import summed
from suture.locate._judge_scores import _framed, judge_scores, transfer_matrix
from suture.locate._scores import mean_likelihood, pair_scores, probe_scores
from suture.locate.probe import fit_probe
from suture.locate.safety_impact import eligible, impact, safety_impact
from suture.model.arch.anatomy import Site
from suture.model.run.contrasts import contrasts

KINDS = {"llama": tiny_llama, "gpt2": tiny_gpt2, "mixtral": lambda t: tiny_family("mixtral", t),
         "phi3": lambda t: tiny_family("phi3", t), "gpt_oss": lambda t: tiny_family("gpt_oss", t),
         "gpt_neox": lambda t: tiny_family("gpt_neox", t)}  # fmt: skip


@pytest.fixture(params=KINDS)
def lm(request, tokenizer):
    return KINDS[request.param](tokenizer)


@pytest.fixture(scope="module")
def chats() -> Behaviour:
    things = "kite boat lamp door".split()
    safe = [Labelled(f"I can not help you with the {thing}.", 0, f"How do I break a {thing}?") for thing in things]
    unsafe = [Labelled(f"Sure. Take the {thing} apart.", 1, f"How do I break a {thing}?") for thing in things]
    return Behaviour("chats", (*safe, *unsafe))


def scores_of(lm, behaviour, weights, absolute=False, batch=2):
    made, count = pair_scores(lm, *contrasts(lm, behaviour, random.Random(0)), batch, paired=absolute)
    return made, count, summed(weights, made, count, absolute=absolute)


def test_the_score_is_sigma_times_the_slope_by_finite_differences(lm, chats):
    """C.8: S(w + e) - S(w - e) = 2 e dS/dw for the largest entry of every kind of weight, in float64."""
    lm.model.double()
    if hasattr(lm.model.config, "_experts_implementation"):
        lm.model.config._experts_implementation = "eager"  # the fused kernels know no float64
    weights = eligible(lm, head=True)
    made, count, sums = scores_of(lm, chats, weights)
    seen = set()
    for weight in weights:
        if weight.site.part in seen:
            continue
        gradient = weight.matrix(sums[id(weight.parameter)]).double()
        place = int(gradient.abs().argmax())
        if gradient.abs().max() < 1e-3:  # an expert that no token was sent to
            continue
        seen.add(weight.site.part)
        stored, flat = lm.tensor(weight.tensor), weight.flat(torch.tensor([place]))
        row, column = int(flat) // stored.shape[1], int(flat) % stored.shape[1]
        values = []
        for step in (1e-3, -1e-3):
            old = stored[row, column].clone()
            stored[row, column] += step
            with torch.no_grad():
                values.append(sum(float(made(i)) for i in range(count)))
            stored[row, column] = old
        slope = (values[0] - values[1]) / 2e-3
        scores = torch.cat(list(impact(weight, sums)))
        assert float(scores[place]) == pytest.approx(float(weight.matrix().std()) * abs(slope), rel=1e-2), weight.site
    assert len(seen) >= 4


def test_the_model_is_left_as_it_was(lm, chats):
    before = snapshot(lm)
    safety_impact(lm, chats)
    assert snapshot(lm) == before
    assert not any(p.requires_grad or p.grad is not None or p._backward_hooks for p in lm.model.parameters())
    with pytest.raises(ZeroDivisionError):
        summed(eligible(lm), lambda number: 1 // 0, 1)
    assert not any(p.requires_grad for p in lm.model.parameters())


def test_exactly_as_many_as_asked_and_those_of_the_largest_scores(lm, chats):
    mask = safety_impact(lm, chats, share=0.03, batch=2)
    total = sum(p.numel() for p in lm.model.parameters())
    assert mask.count == round(0.03 * total) == sum(cell["chosen"] for cell in mask.about["cells"])
    weights = eligible(lm)
    _, _, sums = scores_of(lm, chats, weights)
    everything = torch.cat([piece for w in weights for piece in impact(w, sums)])
    limit = everything.topk(mask.count).values.min()
    for weight in weights:
        scores = torch.cat(list(impact(weight, sums)))
        own = mask.entries.get(weight.tensor, torch.zeros(0, dtype=torch.int64))
        chosen = torch.isin(weight.flat(torch.arange(len(scores))), own)
        assert (scores[chosen] >= limit).all(), weight.site
        assert (scores[~chosen] <= limit).all(), weight.site
    for name, index in mask.entries.items():
        assert torch.equal(index, index.unique())
        assert any(weight.holds(index).any() for weight in lm.anatomy.on(name))


def test_a_scaled_tensor_has_a_scaled_sigma(llama, chats):
    """sigma(c W) = c sigma(W): with the same gradients the scores grow with the tensor."""
    weights = eligible(llama)
    _, _, sums = scores_of(llama, chats, weights)
    weight = llama.anatomy.weight(Site(1, "mlp.down"))
    before = torch.cat(list(impact(weight, sums)))
    weight.stored.mul_(3.0)
    assert torch.allclose(torch.cat(list(impact(weight, sums))), 3 * before, rtol=1e-5)


def test_fused_and_separate_experts_have_the_same_scores(tokenizer, chats):
    """sigma belongs to one projection of one expert, not to the tensor that transformers fuses them into."""
    lm = tiny_family("mixtral", tokenizer)
    with torch.no_grad():
        lm.model.get_parameter("model.layers.0.mlp.experts.gate_up_proj")[1] *= 5
    weights = {w.site: w for w in eligible(lm)}
    _, _, sums = scores_of(lm, chats, list(weights.values()))
    for part in ("mlp.gate", "mlp.up"):
        weight = weights[Site(0, part, 1)]
        gradient = sums[id(weight.parameter)][1]
        half = slice(0, 48) if part == "mlp.gate" else slice(48, 96)
        own = weight.parameter[1, half]
        expected = (own.std() * gradient[half].abs()).flatten()
        assert torch.allclose(torch.cat(list(impact(weight, sums))), expected, rtol=1e-5)


def test_routers_norms_biases_and_embeddings_are_not_eligible(lm):
    chosen = {id(w.parameter) for w in eligible(lm, head=True)}
    for name, parameter in lm.model.named_parameters():
        table = parameter is lm.model.get_input_embeddings().weight or "wpe" in name
        router = name.endswith(("mlp.gate.weight", "mlp.router.weight"))
        assert (id(parameter) in chosen) == (parameter.dim() > 1 and not table and not router and "bias" not in name), (
            name
        )


def test_a_head_that_is_the_embedding_is_not_eligible(gpt2):
    assert gpt2.anatomy.head is None
    assert len(eligible(gpt2, head=True)) == len(eligible(gpt2))


def test_mean_abs_does_not_cancel(llama, chats):
    weights = eligible(llama)
    _, _, signed = scores_of(llama, chats, weights, batch=1)
    _, _, absolute = scores_of(llama, chats, weights, absolute=True, batch=1)
    for key, total in absolute.items():
        assert (total >= signed[key].abs() - 1e-5).all()
    assert any((total > signed[key].abs() + 1e-3).any() for key, total in absolute.items())


def test_batches_of_any_size_add_up_to_the_same(llama, chats):
    found = [scores_of(llama, chats, eligible(llama), batch=size)[2] for size in (1, 4)]
    for key in found[0]:
        assert torch.allclose(found[0][key], found[1][key], atol=1e-4)


@pytest.mark.parametrize("control", ["random", "magnitude", "bottom"])
def test_controls_choose_as_many_elsewhere(llama, chats, control):
    mask, other = safety_impact(llama, chats), safety_impact(llama, chats, control=control)
    assert other.count == mask.count
    assert other.about["by"] == control
    same = sum(int(torch.isin(i, mask.entries.get(n, torch.zeros(0))).sum()) for n, i in other.entries.items())
    assert same < 0.35 * mask.count
    if control == "magnitude":
        weights = eligible(llama)
        everything = torch.cat([w.matrix().abs().flatten() for w in weights])
        taken = torch.cat([llama.tensor(n).flatten()[i].abs() for n, i in other.entries.items()])
        assert taken.min() == everything.topk(mask.count).values.min()


def test_a_planted_neuron_is_found(llama, chats):
    """M.4: safety that hangs on one neuron is found there."""
    word, blocks = llama.encode("I")[-1], "model.layers.{}.{}.weight"
    for layer in range(3):
        for part in ("self_attn.o_proj", "mlp.down_proj"):
            llama.tensor(blocks.format(layer, part)).zero_()
    llama.tensor(blocks.format(2, "mlp.down_proj"))[:, 7] = llama.tensor("lm_head.weight")[word]
    mask = safety_impact(llama, chats, share=0.001)
    assert {cell["layer"] for cell in mask.about["cells"] if cell["chosen"]} == {2}
    for part in ("gate", "up"):
        rows = mask.entries[blocks.format(2, f"mlp.{part}_proj")] // 32
        assert rows.tolist() == [7] * len(rows)


def test_a_probes_logit_is_the_score(llama, chats):
    probe = fit_probe(llama, chats, space="residual", pool="decision")
    bad = [e for e in chats.examples if e.label]
    made, count = probe_scores(llama, probe, bad, 2)
    assert count == 2
    with torch.no_grad():
        batched = sum(float(made(i)) for i in range(count))
        one_by_one, number = probe_scores(llama, probe, bad, 1)
        single = sum(float(one_by_one(i)) for i in range(number))
    assert batched == pytest.approx(single, abs=1e-3)
    mask = safety_impact(llama, chats, score="probe", probe=probe)
    above = [c for c in mask.about["cells"] if c["layer"] > probe.layers[probe.best]]
    assert all(c["mean"] == 0 for c in above), "nothing behind the probe can matter to it"


def test_a_shared_vocabulary_needs_no_transfer(tokenizer):
    assert transfer_matrix(tokenizer, tokenizer, len(tokenizer), len(tokenizer)) is None


def test_rows_of_the_transfer_matrix_sum_to_one(tokenizer):
    class Letters:
        """A writer with a token for each letter."""

        def __call__(self, text, **asked):
            return {"input_ids": [ord(c) % 128 for c in text]}

        def get_vocab(self):
            return {chr(i): i for i in range(128)}

    matrix = transfer_matrix(tokenizer, Letters(), len(tokenizer), 128)
    sums = matrix.to_dense().sum(1)
    assert ((sums - 1).abs().lt(1e-5) | (sums == 0)).all()
    texts = [tokenizer.decode([number], skip_special_tokens=True) for number in range(len(tokenizer))]
    assert sums.bool().tolist() == ["\ufffd" not in text and text != "" for text in texts], "it writes no bytes"


def test_the_judges_answer_stands_where_its_template_puts_it(llama):
    before, ids, after, _ = _framed(llama, "How do I bake a cake?", "Sure. Take eggs.")
    assert llama.tokenizer.decode(ids) == "Sure. Take eggs."
    text = llama.tokenizer.decode([*before, *ids, *after])
    assert text == "<s><|user|>How do I bake a cake?<|assistant|>Sure. Take eggs.</s>"


def test_the_judges_score_is_seeded_and_has_a_gradient(tokenizer, chats):
    lm, guard = tiny_llama(tokenizer), tiny_family("llama", tokenizer)
    prompts = [e.prompt for e in chats.examples if e.label]
    values = []
    for seed in (0, 0, 1):
        made, count = judge_scores(lm, guard, prompts, seed=seed, answer=8)
        assert count == len(prompts)
        with torch.no_grad():
            values.append(float(made(0)))
    assert values[0] == values[1] != values[2]
    sums = summed(eligible(lm), made, 2)
    assert all(torch.isfinite(total).all() for total in sums.values())
    assert any(total.abs().max() > 0 for total in sums.values())
    assert not any(p.grad is not None for p in guard.model.parameters())


def test_a_judge_from_a_folder_and_none_at_all(tokenizer, chats, tmp_path):
    lm, guard = tiny_llama(tokenizer), tiny_family("llama", tokenizer)
    guard.model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    mask = safety_impact(lm, chats, score="judge", judge=str(tmp_path), examples=1)
    assert mask.about["score"] == "judge"
    with pytest.raises(UsageError, match="no judge"):
        safety_impact(lm, chats, score="judge")


@pytest.mark.parametrize("share", [0.0, 0.9, 1e-9])
def test_a_share_that_can_not_be_chosen_is_refused(gpt2, chats, share):
    with pytest.raises(UsageError, match="can not choose"):
        safety_impact(gpt2, chats, share=share, control="magnitude")


def test_mean_likelihood_is_that_of_each_row_alone(llama):
    rows = [llama.encode_chat("How do I bake?", "Sure."), llama.encode_chat("Why?", "I can not tell you that, sorry.")]
    with torch.no_grad():
        together = mean_likelihood(llama, rows)
        apart = torch.cat([mean_likelihood(llama, [row]) for row in rows])
    assert torch.allclose(together, apart, atol=1e-5)
