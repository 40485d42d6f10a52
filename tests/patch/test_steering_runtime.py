"""Steering while a model runs: caches, padding, beams, conditions, and what is left when it is off."""

import pytest
import torch

from models import FAMILIES, tiny_family, tiny_llama
from steered import TEXTS, anchor, conditional, logits, made
from suture.errors import UsageError
from suture.model.arch.anatomy import Site
from suture.model.run.generation import Doses, generate
from suture.model.run.tracing import trace
from suture.patch.patch import Patch
from suture.patch.runtime.steer import Steer
from suture.patch.runtime.steering_runtime import prompt_mean

MODES = ("add", "turn", "project", "clamp")
PARTS = ("all", "prompt", "generated")
POSITIONS = (*PARTS, "answer")


@pytest.fixture(params=list(FAMILIES))
def lm(request, tokenizer):
    return tiny_family(request.param, tokenizer)


def test_on_it_changes_and_off_it_is_gone_in_every_family(lm):
    base = logits(lm)
    for place in ("residual", "heads"):
        patch = made(lm, place=place)
        with patch.attached(lm):
            on = logits(lm)
            with patch.attached(lm, 0.5):
                nested = logits(lm)
            assert torch.equal(logits(lm), on)
        assert not torch.allclose(on, base, atol=1e-3)
        assert not torch.allclose(nested, on, atol=1e-3)
        with pytest.raises(ZeroDivisionError), patch.attached(lm):
            raise ZeroDivisionError
        with patch.attached(lm, 0.0):
            assert torch.equal(logits(lm), base)
        assert torch.equal(logits(lm), base)


def hooked(lm):
    """How many hooks each module has."""
    return [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in lm.model.modules()]


class Interrupted(Exception):
    """Raised in the middle of a pass."""


def test_a_pass_that_breaks_off_leaves_nothing_behind(llama, gpt2):
    def interrupt(*_):
        raise Interrupted

    for lm in (llama, gpt2):
        base, keys, hooks = logits(lm), list(lm.model.state_dict()), hooked(lm)
        outer, inner = made(lm), made(lm, layers=(1,), mode="turn")
        inside = lm.anatomy.blocks[1].register_forward_pre_hook  # block 0 was steered already, block 1 was not
        with outer.attached(lm):
            on = logits(lm)
            assert list(lm.model.state_dict()) == keys
            handle = inside(interrupt)
            with pytest.raises(Interrupted), inner.attached(lm, 0.5):
                logits(lm)
            handle.remove()
            assert torch.equal(logits(lm), on)  # the outer one goes on as before
        handle = inside(interrupt)
        with pytest.raises(Interrupted), conditional(lm, -2.0).attached(lm), outer.attached(lm):
            generate(lm, [lm.encode(TEXTS[0])], max_new_tokens=3)
        handle.remove()
        assert torch.equal(logits(lm), base)
        assert list(lm.model.state_dict()) == keys
        assert hooked(lm) == hooks


def test_what_is_added_arrives_behind_the_block(lm):
    batch = lm.batch([lm.encode(TEXTS[0])])
    patch = made(lm, layers=(1,))
    (term,) = patch.terms[anchor(lm, 1)]
    with torch.no_grad(), trace(lm, [Site(1, "residual")]) as seen:
        lm.forward(batch)
    before = seen[Site(1, "residual")]
    with torch.no_grad(), patch.attached(lm, 1.5), trace(lm, [Site(1, "residual")]) as seen:
        lm.forward(batch)
    assert torch.allclose(seen[Site(1, "residual")], before + 1.5 * term.vector, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_each_row_of_a_mixed_batch_is_as_it_is_alone(llama, gpt2, mode):
    strengths = (0.0, 0.5, 1.0)
    for lm in (llama, gpt2):
        patch, base = made(lm, mode=mode), logits(lm)
        with patch.attached(lm, torch.tensor(strengths)):
            together = logits(lm)
        assert torch.equal(together[0], base[0])
        for row, (text, strength) in enumerate(zip(TEXTS, strengths, strict=True)):
            with patch.attached(lm, strength):
                assert torch.allclose(logits(lm, [text])[0], together[row], atol=1e-4)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("mode", MODES)
def test_generating_with_a_cache_is_computing_all_again(llama, gpt2, mode, positions):
    for lm in (llama, gpt2):
        patch = made(lm, mode=mode, positions=positions)
        rows = [lm.encode(text) for text in TEXTS]
        lengths = torch.tensor([len(row) for row in rows])
        batch = lm.batch(rows, side="left")
        ids, mask, cache = batch.ids, batch.mask, None
        fed, places = ids, batch.positions
        with torch.no_grad(), patch.attached(lm):
            for _ in range(4):
                out = lm.model(
                    input_ids=fed, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True
                )
                cache = out.past_key_values
                token = out.logits[:, -1].argmax(-1)[:, None]
                step = out.logits[:, -1]
                ids, mask = torch.cat([ids, token], 1), torch.cat([mask, torch.ones_like(token)], 1)
                fed, places = token, places[:, -1:] + 1
        with torch.no_grad(), patch.attached(lm) as whole:
            whole.prompt = lengths
            again = lm.model(
                input_ids=ids[:, :-1], attention_mask=mask[:, :-1],
                position_ids=(mask[:, :-1].cumsum(1) - 1).clamp(min=0), use_cache=False,
            ).logits[:, -1]  # fmt: skip
        assert torch.allclose(step, again, atol=1e-4)


def test_prompt_and_generated_together_are_all(llama):
    rows = [llama.encode(text) for text in TEXTS]
    base = generate(llama, rows, temperature=0, max_new_tokens=6)
    found = {}
    for positions in PARTS:
        with made(llama, positions=positions, size=12.0).attached(llama):
            found[positions] = generate(llama, rows, temperature=0, max_new_tokens=6)
    both = made(llama, positions="prompt", size=12.0) + made(llama, positions="generated", size=12.0)
    with both.attached(llama):
        assert generate(llama, rows, temperature=0, max_new_tokens=6) == found["all"]
    assert len({str(each) for each in (base, *found.values())}) > 2
    plain = logits(llama)
    with made(llama, positions="generated").attached(llama):  # a pass over prompts generates nothing
        assert torch.equal(logits(llama), plain)


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_on_either_side_changes_nothing(llama, gpt2, positions):
    for lm in (llama, gpt2):
        with made(lm, positions=positions).attached(lm) as dose:
            dose.prompt = 2
            right, left = logits(lm), logits(lm, side="left")
            alone = torch.cat([logits(lm, [text]) for text in TEXTS])
        assert torch.allclose(right, alone, atol=1e-4)
        assert torch.allclose(left, alone, atol=1e-4)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_beam_search_finds_what_it_finds_for_each_prompt_alone(llama, positions):
    patch = made(llama, positions=positions, size=8.0)
    rows = [llama.encode(text) for text in TEXTS[:2]]
    asked = {"num_beams": 3, "do_sample": False, "max_new_tokens": 5, "pad_token_id": 1, "eos_token_id": None}

    def beams(some, strengths):
        batch = llama.batch(some, side="left")
        with torch.no_grad(), patch.attached(llama, torch.tensor(strengths)) as dose:
            dose.beams = 3
            made = llama.model.generate(input_ids=batch.ids, attention_mask=batch.mask, **asked)
        return made[:, batch.ids.shape[1] :].tolist()

    together = beams(rows, [1.0, 0.0])
    assert together[0] == beams(rows[:1], [1.0])[0]
    assert together[1] == beams(rows[1:], [0.0])[0]
    plain = llama.batch(rows[1:])
    with torch.no_grad():
        bare = llama.model.generate(input_ids=plain.ids, attention_mask=plain.mask, **asked)
    assert together[1] == bare[0, len(rows[1]) :].tolist()


def test_doses_of_a_generation_are_those_of_its_prompts(llama):
    patch, rows = made(llama, size=12.0), [llama.encode(text) for text in TEXTS]
    with patch.attached(llama) as dose:
        mixed = generate(llama, rows, temperature=0, max_new_tokens=6, doses=Doses(dose, [0.0, 1.0, -1.0]))
    assert mixed[0] == generate(llama, rows[:1], temperature=0, max_new_tokens=6)[0]
    for row, strength in ((1, 1.0), (2, -1.0)):
        with patch.attached(llama, strength):
            assert mixed[row] == generate(llama, rows[row : row + 1], temperature=0, max_new_tokens=6)[0]


def test_a_condition_never_met_leaves_every_bit_and_one_always_met_is_none(llama, gpt2):
    for lm in (llama, gpt2):
        base = logits(lm)
        with conditional(lm, 2.0).attached(lm):
            assert torch.equal(logits(lm), base)
        (term,) = conditional(lm, -2.0).terms[anchor(lm, 1)]
        plain = Patch.make(lm, {anchor(lm, 1): Steer(term.vector)}, method="test", settings={})
        with conditional(lm, -2.0).attached(lm):
            always = logits(lm)
        with plain.attached(lm):
            assert torch.equal(logits(lm), always)


def test_the_mean_of_a_prompt_leaves_out_its_first_token_and_sinks():
    states, prompt = (
        torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(0)),
        torch.ones(2, 9, dtype=torch.bool),
    )
    prompt[1, 7:] = False
    long = states.clone()
    long[0, 0], long[0, 4], long[1, 3] = 1e3 * states[0, 0], 1e3 * states[0, 4], 1e3 * states[1, 3]
    expected = torch.stack([states[0, [1, 2, 3, 5, 6, 7, 8]].mean(0), states[1, [1, 2, 4, 5, 6]].mean(0)])
    assert torch.allclose(prompt_mean(long, prompt), expected, atol=1e-5)
    assert torch.allclose(prompt_mean(states, prompt)[0], states[0, 1:].mean(0), atol=1e-5)


def test_a_condition_is_decided_for_each_row_and_stays_for_its_answer(llama):
    batch = llama.batch([llama.encode(text) for text in TEXTS])
    with trace(llama, [Site(0, "residual")]) as seen, torch.no_grad():
        llama.forward(batch)
    mean = prompt_mean(seen[Site(0, "residual")], batch.mask.bool())
    scores = torch.cosine_similarity(mean, torch.ones(1, llama.width), dim=1)
    threshold = float(scores.sort().values[1:].mean())  # between the second and the third
    met = scores > threshold
    assert met.sum() == 1
    patch, rows = conditional(llama, threshold), [llama.encode(text) for text in TEXTS]
    base = generate(llama, rows, temperature=0, max_new_tokens=6)
    (term,) = patch.terms[anchor(llama, 1)]
    plain = Patch.make(llama, {anchor(llama, 1): Steer(term.vector)}, method="test", settings={})
    with plain.attached(llama):
        always = generate(llama, rows, temperature=0, max_new_tokens=6)
    with patch.attached(llama):
        found = generate(llama, rows, temperature=0, max_new_tokens=6)
        again = generate(llama, rows[::-1], temperature=0, max_new_tokens=6)[::-1]
    for row in range(3):
        assert found[row] == again[row] == (always if met[row] else base)[row]


def test_two_models_do_not_disturb_each_other(llama, gpt2):
    alone = {}
    for lm in (llama, gpt2):
        with conditional(lm, 0.0).attached(lm):
            alone[lm.name] = logits(lm)
    with conditional(llama, 0.0).attached(llama), conditional(gpt2, 0.0).attached(gpt2):
        for lm in (llama, gpt2, llama):
            assert torch.equal(logits(lm), alone[lm.name])


def test_a_patch_is_not_attached_in_the_middle_of_a_text(llama):
    batch = llama.batch([llama.encode(TEXTS[0])])
    with torch.no_grad():
        cache = llama.model(input_ids=batch.ids, use_cache=True).past_key_values
    with made(llama).attached(llama), pytest.raises(UsageError, match="middle of a text"), torch.no_grad():
        llama.model(input_ids=batch.ids[:, :1], past_key_values=cache, use_cache=True)


def test_strengths_of_additions_add_up(llama):
    patch = made(llama)
    with patch.attached(llama, 0.7), patch.attached(llama, 0.8):
        twice = logits(llama)
    with (patch * 1.5).attached(llama):
        assert torch.allclose(logits(llama), twice, atol=1e-4)
    with (0.7 * patch + 0.8 * patch).attached(llama):
        assert torch.allclose(logits(llama), twice, atol=1e-4)


@pytest.mark.parametrize("place", ["residual", "heads"])
def test_additions_add_up_in_any_order_whatever_tokens_they_act_on(llama, gpt2, place):
    for lm in (llama, gpt2):
        for positions in PARTS:
            one, two = made(lm, place=place, positions=positions), made(lm, (1,), 2.0, place, positions=positions)
            with one.attached(lm, 0.3) as a, two.attached(lm, -0.4) as b, one.attached(lm, 0.5) as c:
                a.prompt = b.prompt = c.prompt = 2
                apart = logits(lm)
            for total in (0.8 * one + -0.4 * two, -0.4 * two + 0.8 * one):
                with total.attached(lm) as dose:
                    dose.prompt = 2
                    assert torch.allclose(logits(lm), apart, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_projecting_leaves_no_component_of_the_states_of_any_token(tokenizer, dtype):
    lm = tiny_llama(tokenizer, dtype=dtype)
    patch = made(lm, layers=(0, 1, 2), mode="project")
    batch = lm.batch([lm.encode(text) for text in TEXTS])
    sites = [Site(layer, "residual") for layer in range(3)]
    with torch.no_grad(), patch.attached(lm), trace(lm, sites) as seen:
        lm.forward(batch)
    for site in sites:
        (term,) = patch.terms[anchor(lm, site.layer)]
        states = seen[site][batch.mask.bool()].float()
        along = states @ (term.vector / term.vector.norm())
        allowed = 1e-3 if dtype == torch.float32 else 4e-3  # half a unit in the last place of bfloat16 is 2e-3
        assert bool((along.abs() <= allowed * states.norm(dim=1)).all())
