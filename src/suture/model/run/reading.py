"""What is put behind a text, as a model reads both: in one piece.

    ids("Once upon a" + " time") is not ids("Once upon a") + ids(" time")
A tokenizer may put a blank before every text (Llama 2, Mistral v0.1), cut "is" + "n't" elsewhere than "isn't", or join the last
letters of one with the first of the other. So both are made into ids together, and the characters that each token stands for
tell where the second begins. A token that holds characters of both is the second's: the model says it only with these.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from jinja2 import TemplateAssertionError, TemplateError, TemplateSyntaxError, UndefinedError

from ...checkpoint.format.causes import PLAIN, fault
from ...errors import UsageError
from ...text.spacing import gap

if TYPE_CHECKING:
    from ..lm import LM

log = logging.getLogger(__name__)
_PLAIN: WeakSet[LM] = WeakSet()  # models without a chat template of which that was said
Continued = tuple[list[int], int]  # ids, and where what was put behind begins
TAIL = 8  # tokens before new ones that are decoded with them
ASKED, ANSWERED = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because"}


class Text(NamedTuple):
    """A text to be read; `framed` when a chat template wrote it, with the start token as the template has it."""

    text: str
    framed: bool = False


def ids_of(lm: LM, text: Text) -> list[int]:
    """Return the ids of a text that is not at its end: what some tokenizers put behind every text (</s>) is left out."""
    if text.framed:
        return list(lm.tokenizer(text.text, add_special_tokens=False)["input_ids"])
    coded = lm.tokenizer(text.text or "a", return_special_tokens_mask=True)
    ids, added = list(coded["input_ids"]), list(coded["special_tokens_mask"])
    indices = [index for index, mark in enumerate(added) if not mark]
    if not text.text or not indices:
        return ids[: indices[0]] if indices else ids
    return ids[: indices[-1] + 1]


def conversation(lm: LM, messages: Sequence[Mapping[str, str]], *, reply: bool, thinking: bool) -> Text:
    """Return a conversation as the chat template writes it; without one, a message a line.

    Raises:
        UsageError: when the template refuses these roles, fails on them or can not be read, or there are several.
    """
    template = lm.tokenizer.chat_template
    if template is None:
        if lm not in _PLAIN:
            _PLAIN.add(lm)
            log.warning(PLAIN, lm.name)
        return Text("\n".join(message["content"] for message in messages) + "\n" * reply)
    if isinstance(template, Mapping) and "default" not in template:
        raise fault("several templates", name=lm.name, names=", ".join(sorted(template)))
    try:
        text = lm.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=reply, enable_thinking=thinking
        )
    except (TemplateSyntaxError, TemplateAssertionError) as problem:
        raise fault("broken template", name=lm.name, why=f"Line {problem.lineno}: {problem.message}.") from problem
    except UndefinedError as problem:
        raise fault("failing template", name=lm.name, why=f"{problem}.") from problem
    except TemplateError as problem:
        raise UsageError(
            "the chat template of this model refuses the conversation",
            why=str(problem),
            fix="Leave out the system text; let user and assistant take turns.",
        ) from problem
    except (
        TypeError,
        ArithmeticError,
        LookupError,
        AttributeError,
    ) as problem:  # Python's, out of a template's expression
        raise fault("failing template", name=lm.name, why=f"{type(problem).__name__}: {problem}.") from problem
    return Text(text, framed=True)


def answers(lm: LM, texts: Sequence[Text], replies: Sequence[str]) -> list[Continued]:
    """Return texts to be continued, each with an answer behind it as the model would write it, and where it begins.

    What stands between them is `spacing.gap`'s to say, in a chat the template's.
    """
    chat_gap = _template_gap(lm) if any(text.framed for text in texts) else ""
    between = [chat_gap if text.framed else gap(text.text, answer) for text, answer in zip(texts, replies, strict=True)]
    return [continued(lm, t, b + answer) for t, b, answer in zip(texts, between, replies, strict=True)]


def continued(lm: LM, before: Text, after: str) -> Continued:
    """Return the ids of two texts read in one piece, up to the second's last token, and where the second begins.

    A tokenizer that does not say which characters a token stands for is asked for the first text alone, too: the second begins
    where the ids first differ.
    """
    whole, end = before.text + after, len(before.text)
    if not lm.tokenizer.is_fast:
        ids, alone = ids_of(lm, Text(whole, before.framed)), ids_of(lm, before)
        same = next((i for i, (a, b) in enumerate(zip(ids, alone, strict=False)) if a != b), min(len(ids), len(alone)))
        return ids, same
    coded = lm.tokenizer(whole, add_special_tokens=not before.framed, return_offsets_mapping=True)
    return cut(coded["input_ids"], coded["offset_mapping"], end)


def cut(ids: Sequence[int], spans: Sequence[tuple[int, int]], end: int) -> Continued:
    """Return ids up to the last token of what follows the character `end`, and the first token of it.

    Args:
        ids: of a whole text.
        spans: which characters each stands for, (0, 0) for tokens that the tokenizer added.
        end: where the first part of the text ends.
    """
    behind = [i for i, (_, stop) in enumerate(spans) if stop > end]
    return (list(ids[: behind[-1] + 1]), behind[0]) if behind else (list(ids), len(ids))


def text_behind(lm: LM, before: Sequence[int], ids: Sequence[int]) -> str:
    """Return what ids add to the text of those before them; alone, some tokenizers leave their first blank out."""
    tail = before[-TAIL:]
    start, whole = lm.decode(tail), lm.decode([*tail, *ids])
    return whole.removeprefix(start) if whole.startswith(start) else lm.decode(ids)


def _template_gap(lm: LM) -> str:
    """Return the white space that a chat template writes before an answer, beyond what asks for it: Llama 2's is a blank."""
    try:
        request = conversation(lm, [ASKED], reply=True, thinking=False).text
        whole = conversation(lm, [ASKED, ANSWERED], reply=False, thinking=False).text
    except UsageError:  # it takes no such turns: nothing is known to stand there
        return ""
    between = whole.removeprefix(request).partition(ANSWERED["content"])[0] if whole.startswith(request) else ""
    return between if between.isspace() else ""
