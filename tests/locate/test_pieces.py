"""Tokens that hold a part of a character, in the matrix that turns a judge's tokens into a writer's."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from suture.locate._judge_scores import transfer_matrix
from suture.locate._pieces import bytes_of, is_piece, spelling


def letters_of_bytes():
    """Return how byte-level tokenizers show each byte, asked of the library itself."""
    shown = {}
    for char in map(chr, range(0x2000)):
        ((token, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(char)
        shown |= dict(zip(char.encode(), token, strict=True))
    for first in range(0xE0, 0xF5):  # lead bytes of longer characters
        code = {0xE0: "\u0800", 0xF0: "\U00010000"}.get(first) or (
            bytes([first, 0x80, 0x80]).decode() if first < 0xF0 and first != 0xED else bytes([first, 0x80, 0x80, 0x80]).decode()
            if first > 0xF0 else "\ud000"
        )  # fmt: skip
        ((token, _),) = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(code)
        shown |= dict(zip(code.encode(), token, strict=True))
    return shown


SHOWN = letters_of_bytes()


def byte_level(*merged: bytes):
    """A tokenizer with a token for each byte that a text can hold, and some that join several."""
    words = {char: number for number, char in enumerate(sorted(SHOWN.values()))}
    merges = []
    for whole in merged:
        for end in range(1, len(whole)):
            left, right = "".join(SHOWN[b] for b in whole[:end]), SHOWN[whole[end]]
            if left + right not in words:
                words[left + right] = len(words)
                merges.append((left, right))
    made = Tokenizer(models.BPE(vocab=words, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made)


def fallback():
    """A tokenizer as SentencePiece makes them: letters, and a token <0xE2> for each byte that none covers."""
    words = {f"<0x{byte:02X}>": byte for byte in range(256)} | {"a": 256, "b": 257, "\ufffd": 258}
    made = Tokenizer(models.BPE(vocab=words, merges=[], byte_fallback=True))
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(tokenizer_object=made)


def row(judge, writer, token):
    found = transfer_matrix(judge, writer, len(judge), len(writer)).to_dense()[judge.get_vocab()[token]]
    names = {number: name for name, number in writer.get_vocab().items()}
    return {names[int(i)]: pytest.approx(float(found[i])) for i in found.nonzero()[:, 0]}


def shown(data):
    return "".join(SHOWN[byte] for byte in data)


def test_every_byte_is_named_as_the_library_names_it():
    assert len(SHOWN) > 200
    for byte, char in SHOWN.items():
        assert bytes_of(char) == bytes([byte])


EURO, EMOJI = "\u20ac".encode(), "\U0001f600".encode()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (EURO[:1], [EURO[:1]]),  # the same piece
        (EURO[:2], [EURO[:1], EURO[1:2]]),  # a longer piece that the writer has in two
        (EMOJI[:3], [EMOJI[:2], EMOJI[2:3]]),  # as long pieces as it has
        (b"a" + EURO[:1], [b"a", EURO[:1]]),  # whole letters and a part of the next
        (EURO, [EURO[:1], EURO[1:2], EURO[2:]]),  # a whole character goes the writer's own way
    ],
)
def test_a_piece_is_written_with_the_writers_tokens_of_the_same_bytes(token, expected):
    judge, writer = byte_level(EURO, EMOJI, b"a" + EURO[:1]), byte_level(EMOJI[:2])
    assert row(judge, writer, shown(token)) == {shown(part): 1 / len(expected) for part in expected}


def test_pieces_go_between_both_kinds_of_byte_tokens():
    one, other = byte_level(EURO), fallback()
    assert row(one, other, shown(EURO[:2])) == {"<0xE2>": 0.5, "<0x82>": 0.5}
    assert row(other, one, "<0xE2>") == {shown(EURO[:1]): 1}


def test_no_piece_becomes_the_character_that_replaces_it():
    writer = fallback()
    matrix = transfer_matrix(byte_level(EURO), writer, len(byte_level(EURO)), len(writer)).to_dense()
    assert float(matrix[:, writer.get_vocab()["\ufffd"]].sum()) == 0


def test_a_piece_that_the_writer_can_not_write_is_left_out():
    class Words:
        """A writer without bytes."""

        def __call__(self, text, **asked):
            return {"input_ids": [0 if c == "\ufffd" else 1 for c in text]}

        def get_vocab(self):
            return {"\ufffd": 0, "a": 1}

    judge = byte_level(EURO)
    matrix = transfer_matrix(judge, Words(), len(judge), 2).to_dense()
    assert float(matrix[judge.get_vocab()[shown(EURO[:2])]].sum()) == 0
    assert torch.equal(matrix[judge.get_vocab()["a"]], torch.tensor([0.0, 1.0]))


def test_the_character_itself_is_no_piece():
    assert not is_piece(shown("\ufffd".encode()), "\ufffd")
    assert is_piece(shown(EURO[:1]), "\ufffd")
    assert is_piece("<0xE2>", "\ufffd")
    assert not is_piece("a", "a")


def test_what_can_not_be_spelled_to_its_end_is_not_spelled_at_all():
    assert spelling(b"abc", {b"ab": 1}) == []
    assert spelling(b"abc", {b"ab": 1, b"abc": 2, b"c": 3}) == [2]
