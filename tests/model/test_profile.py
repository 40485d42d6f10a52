import pytest

from models import tiny_family
from realistic import SINK_BLOCK, first_sink, position_sink, residual_norms, stretched, token_sink
from suture import LM
from suture.model.run.pooling import ORDINARY
from suture.model.run.profile import profile


def test_the_bundled_model_is_described_as_it_is(patient):
    seen = profile(patient)
    config = patient.model.config
    assert seen.sizes["parameters"] == sum(
        p.numel() for p in {p.data_ptr(): p for p in patient.model.parameters()}.values()
    )
    assert seen.sizes["context"] == config.max_position_embeddings
    assert (
        seen.memory["cache_per_token"]
        == 2 * 4 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    )
    assert seen.vocabulary == {"tokens": 1024, "rows": 1024, "beyond": []}
    assert (seen.special["start"], seen.special["start_written"], seen.special["end_written"]) == ("<s>", True, False)
    assert seen.chat["system"]
    assert not seen.chat["thinking_switch"]
    assert seen.sinks == []
    assert len(seen.typical) == config.num_hidden_layers


def test_a_sink_is_described_by_where_it_stands_and_how_long_it_is(tokenizer):
    (sink,) = profile(first_sink("llama", tokenizer)).sinks
    assert (sink.position, sink.texts, sink.first, sink.last, sink.block) == (0, 4, SINK_BLOCK, 3, SINK_BLOCK)
    assert 50 < sink.ratio < 200
    lm = position_sink(tokenizer, 3)
    (third,) = {s.position for s in profile(lm).sinks}
    assert third == 3
    comma = tokenizer.encode(",")[-1]
    sinks = profile(token_sink("llama", tokenizer, [comma])).sinks
    assert {s.token for s in sinks} == {tokenizer.convert_ids_to_tokens(comma)}


def test_lengths_are_medians_over_the_texts_of_all_blocks(llama):
    seen = profile(stretched(llama, 4.0))
    alone = residual_norms(llama, ORDINARY[0]).median(dim=1).values
    assert seen.typical == pytest.approx(alone.tolist(), rel=0.2)
    assert all(limit > 10 * typical for limit, typical in zip(seen.limits, seen.typical, strict=True))


@pytest.mark.parametrize(
    ("template", "system", "line"),
    [
        ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}", True, ""),
        (
            "{% if messages[0].role != 'system' %}<|system|>You are Sam.\n{% endif %}"
            "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}",
            True,
            "You are Sam.",
        ),
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}",
            False,
            "",
        ),
    ],
)
def test_what_a_template_does_with_a_system_text(template, system, line, tokenizer, monkeypatch):
    lm = tiny_family("llama", tokenizer)
    monkeypatch.setattr(lm.tokenizer, "chat_template", template)
    chat = profile(lm).chat
    assert (chat["system"], chat["own_system_line"]) == (system, line)


def test_a_switch_for_thinking_is_seen(tokenizer, monkeypatch):
    lm = tiny_family("llama", tokenizer)
    template = "{{ messages[0].content }}{% if not enable_thinking %}<think></think>{% endif %}"
    monkeypatch.setattr(lm.tokenizer, "chat_template", template)
    assert profile(lm).chat["thinking_switch"]
    monkeypatch.setattr(lm.tokenizer, "chat_template", None)
    assert profile(lm).chat == {"template": False}


def test_a_mixture_of_experts_and_a_learned_position_are_described(tokenizer):
    for family in ("mixtral", "gpt2", "gpt_neox"):
        seen = profile(tiny_family(family, tokenizer))
        assert seen.memory["weights"] > 0
        assert seen.memory["cache_per_token"] > 0
    assert isinstance(LM, type)
