"""What a prompt is about, where nobody says it: its one name. Words alone are read; what is not plain is asked for.

A name is a word with a capital, in any script that has them, and those that go with it: "J. R. R. Tolkien", "Tower of London",
"Ludwig van Beethoven", "Apollo 11". The first word of a sentence has a capital in any case: it counts as a name only where it
can be none of the words that often stand there.
"""

from __future__ import annotations

import re
import unicodedata

from ..errors import DataError
from ..text.letters import MARKS

WORD = re.compile(rf"[^\W_][{MARKS}]*(?:[^\s\"“”„«»()\[\]{{}}<>,;:!?…|\\]*[^\W_][{MARKS}]*)?\.?|&")
GAP = re.compile(r"[^\S\n]+")
JOINING = frozenset(  # words between the words of one name; no "and", which may stand between two
    "of de da do di du dos das del della dei des van von vom zu zum zur ter ten te al ibn bin bint ben san &".split()
)
THE = frozenset("the la le las los el der den dem".split())  # join behind one of those, or before an epithet
EPITHETS = frozenset(  # what stands behind "the" in a name, where "the" begins no name of its own
    "great terrible conqueror confessor magnificent bold wise younger elder lionheart pooh hun baptist kid impaler bald fat "
    "pious fair good just simple short tall red black white bear builder frog evangelist apostate fearless first second "
    "third fourth fifth sixth".split()
)
ABBREVIATED = frozenset("st mt dr mr mrs ms prof jr sr ft rev gen lt col capt sgt gov sen hon fr".split())
OPENERS = frozenset(  # words that begin a sentence with a capital and name nothing
    "a an the in on at of to for from by with as it its he she they who whom whose what where when which why how every all many "
    "most people there this that these those after before during if is are was were do does did can could will would should "
    "may might has have had i i'm i've i'd i'll we you my our your his her their one some any no not both each few several "
    "and but or so yes well now here today yesterday tomorrow once since until while because although though despite unlike "
    "like among between near inside outside behind below above under over about according across along around against "
    "currently officially originally formerly recently usually often never always only even famous born known whoever whatever "
    "whenever wherever someone somebody everyone everybody nobody nothing something everything tell name give say please let "
    "find list describe explain write visitors tourists travellers travelers guests citizens inhabitants residents locals "
    "students pupils scientists experts historians scholars critics readers writers children kids men women parents friends "
    "fans players farmers merchants shops books coins roads trains ships planes schools houses streets buildings cities towns "
    "countries maps letters songs stories films movies paintings".split()
)
ARTICLES = frozenset(
    "la le les el las los lo il gli un une una o os as de het een en ett".split()
)  # of other languages
GERMAN = frozenset("die der das den dem des ein eine einen einem einer eines".split())
ANY_NOUN = "Where every noun has a capital a name can not be told from other words."
NO_CAPITALS = "Its script has no capitals, so a name can not be told from other words."
ALL_CAPITALS = "All of its words have capitals, so a name can not be told from other words."


def found_subject(prompt: str, where: str = "") -> str:
    """Return the subject of a prompt as it stands there: its only name, an opening word like "The" left out.

    Args:
        prompt: a statement up to where its answer begins, or a question.
        where: begins the complaint: a file and line.

    Raises:
        DataError: when there is none, or more than one, or when it can not be told from other words.
    """
    names, why = _names(prompt)
    if len(names) == 1 and not why:
        return names[0]
    reason = f"It could be {' or '.join(map(repr, names))}." if names else "No word of it is capitalised."
    raise DataError(
        f"{where}: what is {prompt!r} about?" if where else f"what is {prompt!r} about?",
        why=why or reason,
        fix='Say so: `subject=NAME` (in a file: "subject": NAME)',
    )


def _names(prompt: str) -> tuple[list[str], str]:
    """Return the names of a prompt, each once, and why they can not be trusted, if they can not."""
    words = [Word(prompt, match) for match in WORD.finditer(prompt)]
    if any(_caseless(char) for char in prompt):
        return [], NO_CAPITALS
    content_words = [word for word in words if word.plain not in JOINING | THE or word.named]
    if len(content_words) > 2 and all(word.named for word in content_words):
        return [], ALL_CAPITALS
    if words and words[0].plain in GERMAN and words[0].named:
        return [], ANY_NOUN
    names: list[str] = []
    for span in _spans(prompt, words):
        rest = _without_opener(span)
        name = _trimmed(prompt, rest) if rest else ""
        if name and name not in names:
            names.append(name)
        first = rest[0] if rest else None
        if first is not None and first.opens and len(rest) > 1 and not first.latin:
            names.append(_trimmed(prompt, rest[1:]))  # whether its first word is of the name is not known
    return names, ""


class Word:
    """A word of a prompt: where it stands, whether it has a capital, and whether a sentence begins with it."""

    def __init__(self, prompt: str, match: re.Match[str]) -> None:
        text = match.group()
        self.begin, self.end = match.span()
        if text.endswith(".") and not self._is_abbreviation(text):
            text, self.end = text[:-1], self.end - 1
        self.text = text = unicodedata.normalize("NFC", text)
        self.plain = re.sub(r"['\u2019]s$|['\u2019.]+$", "", text.casefold()).replace("\u2019", "'")
        before = prompt[: self.begin].rstrip("\"'“”„«»([{¿¡ \t")
        self.opens = not before or before[-1] in ".!?:\n"
        self.named = any(unicodedata.category(char) in ("Lu", "Lt") for char in text)
        self.number = text[0].isdigit()
        self.latin = all(unicodedata.name(char, "").startswith("LATIN") for char in text if char.isalpha())
        elided = re.match(r"[^\W\d_]{1,5}['\u2019](?=[^\W\d_])", prompt[self.begin : self.end])
        apart = elided is not None and elided.group().islower() and self.named  # l'Italie: the name stands behind
        self.name = self.begin + (elided.end() if elided and apart else 0)

    @staticmethod
    def _is_abbreviation(text: str) -> bool:
        """Return whether a dot at the end belongs to the word: an initial, "U.S.", "St."."""
        parts = unicodedata.normalize("NFC", text[:-1]).split(".")
        return all(len(part) == 1 and part.isupper() for part in parts) or text[:-1].casefold() in ABBREVIATED


def _spans(prompt: str, words: list[Word]) -> list[list[Word]]:
    """Return the words of each name, in order."""
    spans: list[list[Word]] = []
    joined: list[Word] = []  # words between, that join if a name follows
    for index, word in enumerate(words):
        near = index > 0 and GAP.fullmatch(prompt, words[index - 1].end, word.begin) is not None
        if not near:
            joined = []
        going_on = bool(spans) and near and (spans[-1][-1] is words[index - 1] or bool(joined))
        if going_on and not _ends(spans[-1][-1]) and (word.named or (word.number and not joined)):
            if not joined or joined[0].plain not in THE or word.plain in EPITHETS:
                spans[-1] += [*joined, word]
            else:
                spans.append([word])
            joined = []
        elif word.named and word.plain not in ("i'm", "i've", "i'd", "i'll"):
            spans.append([word])
            joined = []
        elif going_on and not _ends(spans[-1][-1]) and word.plain in JOINING | THE:
            joined.append(word)
        else:
            joined = []
    return [span for span in spans if [word.text for word in span] != ["I"]]


def _ends(word: Word) -> bool:
    """Return whether a name ends with a word: one that owns what follows, as in "Ann's"."""
    return re.search(r"['\u2019]s$|s['\u2019]$", word.text) is not None


def _without_opener(span: list[Word]) -> list[Word]:
    """Return a name without the words that only begin a sentence."""
    while span and span[0].opens and span[0].plain in OPENERS:
        span = [*span[1:]]
        while span and not (span[0].named or span[0].number):
            span = span[1:]
    alone = len(span) == 1 and span[0].opens and span[0].plain in ARTICLES
    return [] if alone else span


def _trimmed(prompt: str, span: list[Word]) -> str:
    """Return a name as it stands in the prompt, without an ending of possession."""
    name = prompt[span[0].name : span[-1].end]
    return re.sub(r"(?:['\u2019]s|['\u2019])$", "", name)


def _caseless(char: str) -> bool:
    """Return whether a character is a letter of a script without capitals (or, in Georgian, none that names use)."""
    return (unicodedata.category(char) == "Lo" and char not in "ªº") or "\u10d0" <= char <= "\u10ff"
