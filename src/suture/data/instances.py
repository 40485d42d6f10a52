"""Instances to be made safe, each with the tests of how far the edit reaches: the schema of SafeEdit, and our own lines.

Source: Wang et al. 2024, "Detoxifying Large Language Models via Knowledge Editing" (SafeEdit), section 3, ACL 2024.

    SafeEdit        {"question", "adversarial prompt", "safe generation", "unsafe generation", "knowledge constrain",
                    "generalization test"}, a list or a line each
    our own lines   {"prompt", "safe", "unsafe"}, with "keep" if wanted: [["harmless request", "its answer"], ..], and
                    "question": what is asked for in the prompt, word for word
    chosen, rejected ..     any pair of `preferences`
    "patient"       instances of the bundled model's world ("patient:tune" for its other split)

A test may be one text or a list of texts. Every complaint names the file and the line at which the record begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from .. import registry
from ..errors import DataError
from ..io.rows import described, records, refuse, text_of
from ..io.unread import Unread
from .examples import ResponsePair
from .preferences import preference_of

TESTS = {  # metric -> key in the file; the first is asked of the instance's own prompt
    "DS": "adversarial prompt",
    "DG_onlyQ": "test input of only harmful question",
    "DG_otherA": "test input of other attack prompt input",
    "DG_otherQ": "test input of other question input",
    "DG_otherAQ": "test input of other questions and attack prompts",
}
OWN = ("prompt", "safe", "unsafe", "keep", "question")
PUBLISHED = ("adversarial prompt", "safe generation", "unsafe generation", "question", "knowledge constrain",
             "generalization test", "unsafety category", "attack name", "attack category")  # fmt: skip
SUFFIX = "If the user's request is reasonable, give the correct answer. Please give the right response:"  # of the paper
FORM = '{"prompt": ..., "safe": ..., "unsafe": ...}, a record of SafeEdit, or chosen and rejected answers'


@dataclass(frozen=True)
class Instance:
    """One adversarial request with a safe and an unsafe answer, and what the edit made from it is tested on.

    Attributes:
        contrast: the adversarial request and both answers, and harmless requests to leave alone.
        question: the harmful request without the attack; "" when not told.
        tests: prompts by the names of TESTS; a name may be missing.
        category: of the harm.
        name: its number or id in the file.
    """

    contrast: ResponsePair
    question: str = ""
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    category: str = ""
    name: str = ""

    def record(self) -> dict[str, Any]:
        """Return the instance in SafeEdit's schema."""
        prompt, answer = self.contrast.keep[0] if self.contrast.keep else ("", "")
        tests = {key: self.tests.get(metric, ()) for metric, key in TESTS.items() if metric != "DS"}
        return {
            "id": self.name, "unsafety category": self.category, "question": self.question,
            "adversarial prompt": self.contrast.prompt, "safe generation": self.contrast.safe,
            "unsafe generation": self.contrast.unsafe, "knowledge constrain": {"prompt": prompt, "answer": answer},
            "generalization test": {key: texts[0] if len(texts) == 1 else list(texts) for key, texts in tests.items()},
        }  # fmt: skip


def load(source: str | Path, take: int | None = None) -> list[Instance]:
    """Read instances, the first `take` or all.

    Raises:
        DataError: naming file and line, for what is no instance.
    """
    name = str(source).partition(":")[0]
    if name in registry.sources():
        instances: list[Instance] = registry.source(name).instances(str(source))
        return instances[:take]
    unread = Unread(source)
    rows = islice(records(source, refuse, FORM), take)
    made = [_instance(record, f"{source}, {place}", unread) for place, record in rows]
    instances = [instance for instance in made if instance is not None]
    unread.tell()
    if not instances:
        raise DataError(f"{source} holds no instances", fix=f"Write {FORM}.")
    return instances


def prompts(instances: Sequence[Instance]) -> dict[str, list[str]]:
    """Return the prompts of all instances by the names of TESTS, each prompt once; names without prompts are left out."""
    every = {name: [p for instance in instances for p in instance.tests.get(name, ())] for name in TESTS}
    return {name: list(dict.fromkeys(texts)) for name, texts in every.items() if texts}


def _instance(record: Mapping[str, Any], where: str, unread: Unread) -> Instance | None:
    """Return the instance of a record; None, counted, of two answers of which neither is better."""
    if not {TESTS["DS"], "safe", "unsafe"} & set(record) and (pair := preference_of(record, where)):
        unread.see(record, pair.used)
        if pair.equal:
            unread.left_out["with two equal answers"] += 1
            return None
        if not pair.prompt:
            raise DataError(f"{where}: no prompt", why=described(record), fix=f"Write {FORM}.")
        return Instance(ResponsePair(pair.prompt, pair.better, pair.worse), "", {"DS": (pair.prompt,)})
    if TESTS["DS"] not in record:
        if "safe" not in record and "unsafe" not in record:
            raise DataError(f"{where}: not an instance", why=described(record), fix=f"Write {FORM}.")
        unread.see(record, OWN)
        prompt, safe, unsafe = (text_of(record, key, where) for key in ("prompt", "safe", "unsafe"))
        keep = record.get("keep", [])
        if not isinstance(keep, list) or not all(_pair(pair) for pair in keep):
            raise DataError(f"{where}, keep: not pairs of texts", fix='Write [["request", "answer"], ...].')
        pairs = tuple((pair[0], pair[1]) for pair in keep)
        question = text_of(record, "question", where) if "question" in record else ""
        return Instance(ResponsePair(prompt, safe, unsafe, pairs, question), question, {"DS": (prompt,)})
    unread.see(record, PUBLISHED)
    keys = ("adversarial prompt", "safe generation", "unsafe generation", "question")
    prompt, safe, unsafe, question = (text_of(record, key, where) for key in keys)
    constraint, general = record.get("knowledge constrain", {}), record.get("generalization test", {})
    if not isinstance(constraint, Mapping) or not isinstance(general, Mapping):
        raise DataError(f"{where}: a test or constraint is not an object", fix="Fetch the file again.")
    unread.see(general, TESTS.values(), "generalization test")
    pairs = ()
    if constraint.get("prompt"):
        inside = f"{where}, knowledge constrain"
        pairs = ((text_of(constraint, "prompt", inside), text_of(constraint, "answer", inside)),)
    tests = {metric: _texts(general, key, where) for metric, key in TESTS.items() if key in general}
    category, name = str(record.get("unsafety category", "")), str(record.get("id", ""))
    return Instance(
        ResponsePair(prompt, safe, unsafe, pairs, question), question, {"DS": (prompt,), **tests}, category, name
    )


def _pair(value: Any) -> bool:  # noqa: ANN401 - a value of a file
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) and text for text in value)


def _texts(record: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = record[key]
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError(f"{where}, {key}: no text", fix="Write a text, or a list of texts.")
    return tuple(text.strip() for text in texts)
