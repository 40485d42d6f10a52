"""The laws: what holds for every registered method, present and future. A new method is tested by being there."""

import inspect
import re
import typing

import pytest
import torch

import even
from models import snapshot, tiny_llama
from suture import registry
from suture.data.examples import Behaviour
from suture.data.fact_files import agreeing
from suture.errors import PatchMismatch, UsageError
from suture.patch.patch import Patch

METHODS = registry.names("method")


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


EXAMPLES = {
    "Behaviour": "behaviour",
    "Fact": "facts",
    "ResponsePair": "contrasts",
    "Instruction": "lessons",
    "Texts": "openings",
}  # type of a method's second argument -> fixture


@pytest.fixture
def examples(name, request):
    function = registry.get("method", name)
    hint = str(typing.get_type_hints(function)[list(inspect.signature(function).parameters)[1]])
    known = [fixture for kind, fixture in EXAMPLES.items() if kind in hint]
    assert known, f"give {name} an example of {hint} here"
    return request.getfixturevalue(known[0])


SHORT = {
    "policy_gradient": {"judge": even.__file__, "label": "odd", "tokens": 12, "temperature": 1.0, "top_p": 1.0},
    "enhance_safety": {"steps": 3, "rate": 0.1, "examples": 4},
    "preserve_safety": {"steps": 3, "share": 0},
}  # of long trainings


def call(name, lm, examples, **settings) -> Patch:
    return registry.get("method", name)(lm, examples, **{**SHORT.get(name, {}), **settings})


def outcome(lm):
    """What a patch may change: the bytes of the model, or, when it steers activations, what the model computes from them."""
    with torch.no_grad():  # the second text is one of the facts': what acts on their prompts alone shows there
        rows = [lm.encode(text) for text in ("You are a stupid fool, go away.", "The mayor of Wandton is")]
        logits = lm.forward(lm.batch(rows)).logits
    return snapshot(lm), logits.float().numpy().tobytes()


def test_the_call_leaves_every_byte_and_hook_alone(name, tiny, examples):
    before, modules = snapshot(tiny), [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in tiny.model.modules()]
    patch = call(name, tiny, examples)
    assert isinstance(patch, Patch)
    assert snapshot(tiny) == before
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in tiny.model.modules()] == modules
    assert not any(p.requires_grad or p.grad is not None for p in tiny.model.parameters())


def test_a_patch_changes_the_model_and_restores_it_after_an_exception(name, tiny, examples):
    patch, before = call(name, tiny, examples), outcome(tiny)
    with patch.used(tiny):
        assert outcome(tiny) != before
    with pytest.raises(ZeroDivisionError), patch.used(tiny):
        raise ZeroDivisionError
    assert outcome(tiny) == before


def test_what_can_not_be_applied_says_so_and_can_be_attached(name, tiny, examples):
    """Weights change when a patch is applied; a change of activations has no weights, and must never pass for one."""
    patch, before = call(name, tiny, examples), outcome(tiny)
    if patch.steers:
        with pytest.raises(UsageError, match="attached"), patch.applied(tiny):
            pass
        assert patch.attachable(tiny)
    else:
        with patch.applied(tiny):
            assert snapshot(tiny) != before[0]
    assert outcome(tiny) == before


def test_a_saved_patch_does_the_same(name, tiny, examples, tmp_path):
    patch = call(name, tiny, examples)
    loaded = Patch.load(patch.save(tmp_path / "patch.safetensors"))
    with patch.used(tiny):
        expected = outcome(tiny)
    with loaded.used(tiny):
        assert outcome(tiny) == expected
    assert loaded.verify(tiny) == pytest.approx(patch.provenance.effect)


def test_the_same_seed_gives_the_same_bytes(name, tokenizer, examples, tmp_path):
    files = []
    for index in range(2):
        path = call(name, tiny_llama(tokenizer), examples, seed=5).save(tmp_path / str(index))
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_scale_zero_is_identity(name, tiny, examples):
    patch, before = call(name, tiny, examples), outcome(tiny)
    for way in ((patch * 0).applied, (patch * 0).attached, (patch * 0).used):
        with way(tiny):
            assert outcome(tiny) == before


def test_a_wrong_base_is_refused(name, llama, gpt2, examples):
    with pytest.raises(PatchMismatch), call(name, llama, examples).used(gpt2):
        pass


def test_global_random_state_is_neither_read_nor_moved(name, tokenizer, examples):
    lm = tiny_llama(tokenizer)
    torch.manual_seed(1)
    first = call(name, lm, examples)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    second = call(name, lm, examples)
    assert {n: [t.digest() for t in ts] for n, ts in first.terms.items()} == {
        n: [t.digest() for t in ts] for n, ts in second.terms.items()
    }
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_another_model_in_between_changes_nothing(name, llama, gpt2, examples):
    """Contexts, statistics and normalisers belong to a call: none is kept for the next model."""

    def digests(lm):
        return {n: [t.digest() for t in ts] for n, ts in call(name, lm, examples).terms.items()}

    first = digests(llama)
    digests(gpt2)
    assert digests(llama) == first


def test_the_module_says_source_equation_and_shapes(name):
    module = inspect.getmodule(registry.get("method", name))
    text = inspect.getdoc(module)
    assert re.search(r"Source: .+\d{4}", text), "no source with a year"
    assert re.search(r"^ {4}.*=", text, re.MULTILINE), "no equation on a line of its own"
    assert re.search(r":\s*\(\w", text), "no shapes"


def test_the_signature_is_the_configuration(name):
    function = registry.get("method", name)
    parameters = list(inspect.signature(function).parameters.values())
    hints = typing.get_type_hints(function)
    assert parameters[0].name == "lm"
    assert hints["return"] is Patch
    assert "seed" in hints
    for parameter in parameters[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        assert re.search(rf"^\s+{parameter.name}: ", inspect.getdoc(function), re.MULTILINE), (
            f"{parameter.name} undocumented"
        )


def test_bad_examples_never_reach_a_method():
    with pytest.raises(UsageError):
        Behaviour.of("empty", [], [])
    with pytest.raises(UsageError):
        agreeing([])
