"""What a prompt is about, where nobody says it: its one name. Words alone are read; what is not plain is asked for."""

from __future__ import annotations

import re

from .errors import DataError

NAME = re.compile(r"\b[A-Z][\w'\u2019.-]*(?:\s+(?:(?:of|the|de|da|van|von|del|al|bin|and)\s+)*[A-Z0-9][\w'\u2019-]*)*")
OPENERS = frozenset(  # words that begin a sentence with a capital and name nothing
    "a an the in on at of to for from by with as it its he she they who what where when which why how every all many most "
    "people there this that these those after before during if is are was were do does did can".split()
)


def found_subject(prompt: str, where: str = "") -> str:
    """Return the subject of a prompt: the only span of capitalised words, an opening word like "The" left out.

    Args:
        prompt: a statement up to where its answer begins, or a question.
        where: begins the complaint: a file and line.

    Raises:
        DataError: when there is none, or more than one.
    """
    spans: list[str] = []
    for match in NAME.finditer(prompt):
        words = match.group().split()
        if not prompt[: match.start()].strip():  # the sentence begins here
            while words and words[0].lower() in OPENERS:
                words = words[1:]
        span = " ".join(words).rstrip(".'\u2019-")
        span = re.sub(r"['\u2019]s$", "", span)
        if span and span[0].isupper() and span not in spans:
            spans.append(span)
    begun = bool(spans) and prompt.lstrip().startswith(spans[0]) and " " not in spans[0]
    if len(spans) == 2 and begun:  # "Visitors come to Paris for": the first word is capitalised in any case
        spans = spans[1:]
    if len(spans) == 1:
        return spans[0]
    found = f"It could be {' or '.join(map(repr, spans))}." if spans else "No word of it is capitalised."
    raise DataError(
        f"{where}: what is {prompt!r} about?" if where else f"what is {prompt!r} about?",
        why=found,
        fix='Say so: --subject NAME (in a file: "subject": NAME)',
    )
