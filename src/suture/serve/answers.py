"""Answers as they are on the wire: whole, or as the events of a stream.

Source of the shapes: OpenAI's API reference, "Completions", "Chat" and "Streaming". `text_offset` counts in the text of the
choice, so `text[text_offset[i]:]` begins with token i.
"""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .logprobs import TokenLogprob
from .request import OutputChunk
from .token_texts import TokenTexts

Chunk = dict[str, Any]


@dataclass(frozen=True)
class Manner:
    """How an answer is to look.

    Attributes:
        chat: whether it is that of a chat.
        model: as the request called it.
        about: what was used to make it: patches, memories and seed, so that it can be made again.
        echoes: text of each row that stands before what is written; none where there is no `echo`.
        texts: names the tokens of log-probabilities; None where none are wanted.
        counted: end a stream with the number of tokens.
    """

    chat: bool
    model: str
    about: Mapping[str, Any]
    echoes: Sequence[str] = ()
    texts: TokenTexts | None = None
    counted: bool = False


class Writer:
    """Writes the answer to one request.

    Args:
        manner: how it looks.
        identity: of the answer.
    """

    def __init__(self, manner: Manner, identity: str) -> None:
        self._manner = manner
        kind = "chat.completion" if manner.chat else "text_completion"
        prefix = "chatcmpl-" if manner.chat else "cmpl-"
        base = {"id": prefix + identity, "created": int(time.time()), "model": manner.model}
        self._whole = {**base, "object": kind, "suture": dict(manner.about)}
        self._part = {**base, "object": f"{kind}.chunk" if manner.chat else kind}
        if manner.counted:
            self._part["usage"] = None
        self._tables: dict[int, LogprobTable] = {}

    def whole(self, ended: Sequence[OutputChunk], prompt: int, answer: int) -> Iterator[bytes]:
        """Yield the answer of a request that does not stream, in pieces: no choice is so long that to write it delays others."""
        head, tail = json.dumps(self._whole, ensure_ascii=False), json.dumps(usage(prompt, answer))
        yield f'{head[:-1]}, "choices": ['.encode()
        for row, piece in enumerate(ended):
            yield (", " * bool(row) + json.dumps(self._choice(row, piece), ensure_ascii=False)).encode()
        yield f'], "usage": {tail}}}'.encode()

    def opening(self, rows: int) -> list[Chunk]:
        """Return what a stream begins with: who speaks, or the prompts that are echoed and have no log-probabilities."""
        if self._manner.chat:
            spoken = {"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
            return [self._chunk({"index": row, **spoken}) for row in range(rows)]
        if not self._manner.echoes or self._manner.texts:
            return []
        said = {"logprobs": None, "finish_reason": None}
        return [self._chunk({"index": row, "text": self._echo(row), **said}) for row in range(rows)]

    def piece(self, row: int, piece: OutputChunk) -> Chunk:
        """Return a chunk of a stream."""
        if self._manner.chat:
            delta = {"content": piece.text} if piece.text else {}
            said: Chunk = {"delta": delta}
        else:
            said = {"text": (self._echo(row) if piece.prompt else "") + piece.text}
        return self._chunk(
            {"index": row, **said, "logprobs": self._logprobs(row, piece), "finish_reason": piece.finish}
        )

    def used(self, prompt: int, answer: int) -> Chunk:
        """Return the chunk that tells the number of tokens."""
        return {**self._part, "suture": self._whole["suture"], "choices": [], "usage": usage(prompt, answer)}

    def _choice(self, row: int, piece: OutputChunk) -> Chunk:
        if self._manner.chat:
            said: Chunk = {"message": {"role": "assistant", "content": piece.text, "refusal": None}}
        else:
            said = {"text": self._echo(row) + piece.text}
        return {"index": row, **said, "logprobs": self._logprobs(row, piece), "finish_reason": piece.finish}

    def _echo(self, row: int) -> str:
        return self._manner.echoes[row] if self._manner.echoes else ""

    def _logprobs(self, row: int, piece: OutputChunk) -> Chunk | None:
        if self._manner.texts is None:
            return None
        table = self._tables.setdefault(row, LogprobTable(self._manner.texts, self._echo(row)))
        return table.of_chat(piece.logprobs) if self._manner.chat else table.of_completion(piece)

    def _chunk(self, choice: Chunk) -> Chunk:
        return {**self._part, "choices": [choice]}


class LogprobTable:
    """Log-probabilities of one choice, as they come.

    Args:
        texts: names tokens.
        echo: text that stands before what is written.
    """

    def __init__(self, texts: TokenTexts, echo: str) -> None:
        self._texts, self._echo = texts, echo
        self._characters = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def of_completion(self, piece: OutputChunk) -> Chunk:
        """Return those of a piece as completions have them; the token that ended the text is the last of all."""
        names, offsets = [], []
        for score in piece.prompt:
            name, offset = self._in_echo(score)
            names.append(name)
            offsets.append(offset)
        if piece.prompt:
            self._offset = len(self._echo)
        for score in piece.logprobs:
            names.append(self._texts.name(score.id))
            offsets.append(self._advance(score, self._texts.raw(score.id)))
        scores = [*piece.prompt, *piece.logprobs]
        return {
            "tokens": names,
            "token_logprobs": [score.logprob for score in scores],
            "top_logprobs": [
                None if score.logprob is None else self._likeliest(score, name)
                for score, name in zip(scores, names, strict=True)
            ],
            "text_offset": offsets,
        }

    def of_chat(self, scores: Sequence[TokenLogprob]) -> Chunk:
        """Return those of some tokens as chats have them; a token that ends the answer is no part of it."""
        content = []
        for score in scores:
            if not score.end:
                likeliest = [self._named(token, logprob) for token, logprob in score.top]
                content.append({**self._named(score.id, score.logprob), "top_logprobs": likeliest})
        return {"content": content, "refusal": None}

    def _in_echo(self, score: TokenLogprob) -> tuple[str, int]:
        """Return what a token of the prompt is called, and where it begins in the text that is echoed."""
        name, added, before = self._texts.name(score.id), self._texts.raw(score.id), self._offset
        if not before and name[:1] == " " != self._echo[:1]:  # some tokenizers put a blank before every text
            name, added = name[1:], added[1:]
        if self._texts.special(score.id):
            self._offset += len(name) * self._echo.startswith(
                name, before
            )  # where the text has its name, it was read there
        else:
            before = self._go_on(added)
        return name, before

    def _advance(self, score: TokenLogprob, added: bytes) -> int:
        """Return where a token begins, and go on behind it."""
        return self._offset if score.end or self._texts.special(score.id) else self._go_on(added)

    def _go_on(self, added: bytes) -> int:
        """Return where bytes begin, and go on behind them; a character of which they are no part was never finished."""
        if added[:1] and not 0x80 <= added[0] < 0xC0:
            self._offset += len(self._characters.decode(b"", final=True))
        before = self._offset
        self._offset += len(self._characters.decode(added))
        return before

    def _likeliest(self, score: TokenLogprob, name: str) -> dict[str, float]:
        """Return the likeliest tokens by name, the token itself among them; of two with one name the likelier."""
        named: dict[str, float] = {}
        for token, logprob in score.top:
            named.setdefault(self._texts.name(token) if token != score.id else name, logprob)
        if score.logprob is not None:
            named.setdefault(name, score.logprob)
        return named

    def _named(self, token: int, logprob: float | None) -> Chunk:
        return {"token": self._texts.name(token), "logprob": logprob, "bytes": list(self._texts.raw(token))}


def likeliest_first(ended: Sequence[OutputChunk], candidates: int, kept: int) -> list[OutputChunk]:
    """Return the best texts of every prompt: those whose tokens are the likeliest on average.

    Args:
        ended: the ends of all rows, those of a prompt together.
        candidates: rows of a prompt.
        kept: rows of each that are returned, the best first.
    """
    best: list[OutputChunk] = []
    for start in range(0, len(ended), candidates):
        best += sorted(ended[start : start + candidates], key=_mean_logprob, reverse=True)[:kept]
    return best


def _mean_logprob(piece: OutputChunk) -> float:
    values = [score.logprob for score in piece.logprobs if score.logprob is not None]
    return sum(values) / len(values) if values else 0.0


def usage(prompt: int, answer: int) -> dict[str, int]:
    """Return numbers of tokens as OpenAI names them."""
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def event(content: Chunk | str) -> bytes:
    """Return a server-sent event."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return f"data: {text}\n\n".encode()
