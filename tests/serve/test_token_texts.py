import pytest

from models import blank_first_tokenizer
from suture.serve.token_texts import TokenTexts, _bytes_of

TEXTS = [
    "You are a friend.",
    "Café 北京 🙂",
    "a\n b",
    "naïve",
    "ж",
    "tab\there",
    "  ",
    "1234",
    "'s",
    "\u00a0",
    "e\u0301",
    "🙂🙃",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_bytes_of_tokens_are_those_of_the_text(tokenizer, text):
    texts = TokenTexts(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(map(texts.raw, ids)).decode() == text


def test_parts_of_characters_have_names_of_their_own(tokenizer):
    texts = TokenTexts(tokenizer)
    ids = tokenizer("🙂", add_special_tokens=False)["input_ids"]
    names = [texts.name(token) for token in ids]
    assert len(ids) > 1
    assert names[0].startswith(r"bytes:\xf0")
    assert len({*names}) == len({*ids})
    assert not any("\ufffd" in texts.name(token) for token in range(len(tokenizer)) if _bytes_of(
        tokenizer.convert_ids_to_tokens(token)) is not None)  # fmt: skip


def test_special_tokens_have_their_names(tokenizer):
    texts = TokenTexts(tokenizer)
    assert texts.special(tokenizer.eos_token_id)
    assert texts.name(tokenizer.eos_token_id) == tokenizer.eos_token
    assert not texts.special(tokenizer("a", add_special_tokens=False)["input_ids"][0])


def test_a_blank_before_a_word_is_its_own():
    tokenizer = blank_first_tokenizer()
    texts = TokenTexts(tokenizer)
    ids = tokenizer("Once upon a time", add_special_tokens=False)["input_ids"]
    assert [texts.name(token) for token in ids] == [" Once", " upon", " a", " time"]


@pytest.mark.parametrize(("written", "raw"), [("<0xE2>", b"\xe2"), ("Ġa", b" a"), ("▁a", None), ("âĢ", b"\xe2\x80")])
def test_bytes_as_vocabularies_write_them(written, raw):
    assert _bytes_of(written) == raw
