"""Records of facts: our own, and those of public collections.

    {"prompt", "subject", "target", "was", "paraphrases", "neighbours",
     "openings", "references"}                                               a line each; prompt and target are needed
    CounterFact (ROME's and EasyEdit's), MQuAKE, RippleEdits, KnowEdit,
    zsRE, QAEdit, LocFT, known facts, requests of ROME                                         a list of records
    relations                                                                one relation with its templates and samples

Which format a record has is told by its keys. A subject that is not given is the prompt's one name, if it has but one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from ..io.rows import Record, described, list_of, text_of
from ..text.letters import folded, place, unpaired
from .examples import Fact
from .subjects import found_subject

FORM = '{"prompt": ..., "subject": ..., "target": ...}'
ALSO = "CounterFact, requests of ROME, EasyEdit, KnowEdit, zsRE, MQuAKE, RippleEdits, QAEdit, LocFT, relations"
LISTS = ("paraphrases", "neighbours", "openings", "references")
NEIGHBOURS = 5  # of a fact of a relation: the samples that follow it


@dataclass(frozen=True)
class Format:
    """One way to write facts: the key that tells it, what reads it, and the keys that it knows.

    Attributes:
        key: of the records.
        read: yields the facts of a record.
        known: keys that are read, and such as hold nothing of these facts. Others are told of, see `unread`.
    """

    key: str
    read: Callable[[Record, str], Iterator[Fact]]
    known: frozenset[str]


def format_of(record: Record, where: str) -> Format:
    """Return the format of a record, told by its keys.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    for form in FORMATS:
        if form.key in record:
            return form
    raise DataError(f"{where}: not a fact", why=described(record), fix=f"Write {FORM}. Also read: {ALSO}.")


def _suture(record: Record, where: str) -> Iterator[Fact]:
    near = []
    record = {key: value for key, value in record.items() if value not in (None, "")}  # cells of a table can be empty
    record |= {key: _cell(record[key]) for key in LISTS if key in record}
    for item in list_of(record, "neighbours", where):
        pair = (item.get("prompt"), item.get("answer", item.get("target"))) if isinstance(item, Mapping) else item
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(p, str) and p for p in pair):
            raise DataError(f"{where}, neighbours: {item!r} is no pair", fix='Write ["prompt", "answer"].')
        near.append((pair[0], pair[1]))
    if "subject" not in record and isinstance(record.get("prompt"), str):
        record = {**record, "subject": found_subject(record["prompt"], where)}
    yield _fact(where, _filled(record), "prompt", "target", was=record.get("was"), neighbours=near,
                paraphrases=list_of(record, "paraphrases", where), openings=list_of(record, "openings", where),
                references=list_of(record, "references", where))  # fmt: skip


def _cell(value: Any) -> Any:  # noqa: ANN401 - a value of a file
    """Return what a cell of a table holds where a list is meant: JSON's list, or the one text."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return [value]
    return [value]


def of_record(record: Record, where: str) -> Fact:
    """Return the fact of one of our own lines.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    if not isinstance(record, Mapping) or "target" not in record:
        raise DataError(f"{where}: not a fact", fix='Write {"prompt": ..., "subject": ..., "target": ...}')
    return next(_suture(record, where))


def of_rewrites(record: Record, where: str) -> Iterator[Fact]:
    """Yield the facts of a record of CounterFact, which rewrites one, or of MQuAKE, which rewrites several.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    rewrite: Any = record.get("requested_rewrite")
    if isinstance(rewrite, list):
        for part in rewrite:
            yield from of_rewrites({"requested_rewrite": part}, where)
        return
    try:
        flat = {"subject": rewrite["subject"], "target": _below_str(rewrite["target_new"]),
                "prompt": rewrite["prompt"].replace("{}", rewrite["subject"])}  # fmt: skip
        old = _below_str(rewrite["target_true"])
    except (KeyError, TypeError, AttributeError):
        fix = "It needs prompt, subject, target_new and target_true."
        raise DataError(f"{where}, requested_rewrite: incomplete", why=described(rewrite), fix=fix) from None
    near = [(text, old) for text in list_of(record, "neighborhood_prompts", where)]
    yield _fact(where, flat, "prompt", "target", was=old, neighbours=near,
                paraphrases=list_of(record, "paraphrase_prompts", where),
                openings=list_of(record, "generation_prompts", where))  # fmt: skip


def _ripple(record: Record, where: str) -> Iterator[Fact]:
    """Two sentences that differ in the object, which ends them: what they share is the prompt."""
    edit = record["edit"]
    try:
        new, old = ([*text.strip().rstrip(".").split()] for text in (edit["prompt"], edit["original_fact"]["prompt"]))
    except (KeyError, TypeError, AttributeError):
        why = (
            'Without the sentence of the old fact (as in its file "recent") it can not be seen where the object begins.'
        )
        raise DataError(
            f"{where}: an edit without original_fact", why=why, fix="Use `load_ripples(FILE)` to ask its tests."
        ) from None
    same = next((i for i, (a, b) in enumerate(zip(new, old, strict=False)) if a != b), min(len(new), len(old)))
    while same and not new[same - 1][0].islower():  # both objects begin with the same name
        same -= 1
    flat = {"prompt": " ".join(new[:same]), "target": " ".join(new[same:])}
    flat["subject"] = found_subject(flat["prompt"], where)
    yield _fact(where, flat, "prompt", "target", was=" ".join(old[same:]))


def _easyedit(record: Record, where: str) -> Iterator[Fact]:
    """EasyEdit's and KnowEdit's records, and the requests of ROME, MEMIT and AlphaEdit, whose target is below "str"."""
    near = _near(record, "locality_prompt", "locality_ground_truth")
    if isinstance(
        locality := record.get("locality"), Mapping
    ):  # older files; lists below these names are asked by `ripples`
        for about in (value for value in locality.values() if isinstance(value, Mapping)):
            near += [(prompt, _first(answer)) for prompt, answer in _near(about, "prompt", "ground_truth")]
    target, was = (_below_str(record.get(key)) for key in ("target_new", "ground_truth"))
    old = was if was is not None else _below_str(record.get("target_true"))
    flat = _filled({**record, "target_new": target})
    others = [text for key in ("rephrase_prompt", "rephrase") for text in _several(record.get(key)) if text]
    yield _fact(where, flat, "prompt", "target_new", was=_first(old), neighbours=near, paraphrases=others)


def _wikibio(record: Record, where: str) -> Iterator[Fact]:
    """KnowEdit's WikiBio: the text so far and the sentence that is to follow, about a person."""
    labels = record.get("labels")
    target = " ".join(map(str, labels)) if isinstance(labels, list) else labels
    yield _fact(where, {**record, "labels": target, "subject": record["concept"]}, "text", "labels")


def _tracing(record: Record, where: str) -> Iterator[Fact]:
    """CounterFact as a table: the object that is true, and the false one to be written."""
    was = record.get("target_true")
    yield _fact(where, _filled(record), "prompt", "target_false", was=was.strip() if isinstance(was, str) else was)


def _zsre(record: Record, where: str) -> Iterator[Fact]:
    near = _near(record, "loc", "loc_ans")
    yield _fact(where, record, "src", "alt", was=_first(list_of(record, "answers", where)), neighbours=near,
                paraphrases=[record["rephrase"]] if record.get("rephrase") else [])  # fmt: skip


def _qaedit(record: Record, where: str) -> Iterator[Fact]:
    near = []
    for item in list_of(record, "locality", where):
        if not isinstance(item, Mapping) or not {"loc", "loc_ans"} <= set(item):
            raise DataError(f"{where}, locality: {item!r} is no question", fix='Write {"loc": ..., "loc_ans": ...}.')
        near.append((item["loc"], item["loc_ans"]))
    yield _fact(where, record, "prompt", "target", neighbours=near, paraphrases=_several(record["rephrase"] or []))


def _known(record: Record, where: str) -> Iterator[Fact]:
    yield _fact(where, record, "prompt", "attribute")


def _relation(record: Record, where: str) -> Iterator[Fact]:
    """Each sample is a fact in the first template; the others are paraphrases, the samples that follow neighbours."""
    templates, samples = list_of(record, "prompt_templates", where), list_of(record, "samples", where)
    texts = [
        *templates,
        *(s.get(key) if isinstance(s, Mapping) else s for s in samples for key in ("subject", "object")),
    ]
    if not templates or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where}: not a relation", fix="Give prompt_templates and samples with subject and object.")
    subjects: set[str] = set()
    for index, sample in enumerate(samples):
        name = sample["subject"]
        if folded(str(name)) in subjects:  # a subject with several objects: the first stands for it
            continue
        subjects.add(folded(str(name)))
        following = [samples[(index + i) % len(samples)] for i in range(1, min(NEIGHBOURS, len(samples) - 1) + 1)]
        near = [(templates[0].replace("{}", s["subject"]), s["object"]) for s in following if s["subject"] != name]
        flat = {"prompt": templates[0].replace("{}", name), "subject": name, "target": sample["object"]}
        yield _fact(where, flat, "prompt", "target", neighbours=near,
                    paraphrases=[t.replace("{}", name) for t in templates[1:]])  # fmt: skip


def _fact(
    where: str,
    record: Record,
    prompt_key: str,
    target_key: str,
    *,
    was: Any = None,  # noqa: ANN401 - a value of a file
    paraphrases: Sequence[Any] = (),
    neighbours: Sequence[tuple[Any, Any]] = (),
    openings: Sequence[Any] = (),
    references: Sequence[Any] = (),
) -> Fact:
    """Check the texts of a record and make the fact."""
    prompt, subject, answer = (text_of(record, key, where) for key in (prompt_key, "subject", target_key))
    texts = [*paraphrases, *openings, *references, *(text for pair in neighbours for text in pair)]
    others = [*texts, *([] if was is None else [was])]
    if wrong := [text for text in others if not isinstance(text, str)]:
        raise DataError(f"{where}: {wrong[0]!r} is not a text", fix="Make it a string or remove it.")
    for text in (prompt, subject, record[target_key], *others):
        if (half := unpaired(text)) is not None:
            why = "Half a surrogate pair can not be written in UTF-8."
            raise DataError(
                f"{where}: half a character at {half} of {text!r}", why=why, fix="Write the whole character."
            )
    span = place(prompt, subject)
    if span is None:
        raise DataError(
            f"{where}, subject: {subject!r} is not in the prompt",
            why=f"The prompt is {prompt!r}.",
            fix="Write the subject as it stands in the prompt.",
        )
    name = prompt[slice(*span)]  # in the prompt's own capitals
    extras = (tuple(values) for values in (paraphrases, neighbours, openings, references))
    return Fact(prompt, name, answer, was, *extras)


def _filled(record: Record) -> Record:
    """Return a record whose prompt has the subject in place of "{}", as the authors of ROME write prompts."""
    prompt, subject = record.get("prompt"), record.get("subject")
    if isinstance(prompt, str) and isinstance(subject, str) and "{}" in prompt:
        return {**record, "prompt": prompt.replace("{}", subject)}
    return record


def _below_str(value: Any) -> Any:  # noqa: ANN401 - a value of a file
    return value.get("str", value) if isinstance(value, Mapping) else value


def _near(record: Record, question: str, answer: str) -> list[tuple[Any, Any]]:
    """Return the question about something else and its answer, if a record has both."""
    return [(record[question], record[answer])] if record.get(question) and record.get(answer) else []


def _first(value: Any) -> Any:  # noqa: ANN401 - a value of a file
    """Return a text, or the first of a list of texts that all answer; None of an empty one."""
    while isinstance(value, list):
        value = value[0] if value else None
    return None if value == "" else value


def _several(value: Any) -> list[Any]:  # noqa: ANN401 - a value of a file
    return value if isinstance(value, list) else [value]


def ripples_in(record: Record) -> list[str]:
    """Return the keys of a record that hold questions about what follows from its fact, which `--ripples` asks."""
    grouped = [key for key in _PART if isinstance(record.get(key), Mapping)]  # in older files questions of `_easyedit`
    return [
        *(key for key in grouped if any(isinstance(tests, list) for tests in record[key].values())),
        *(key for key in _AXES if isinstance(record.get(key), list)),
    ]


_NAMES = ("id", "case_id", "known_id", "relation_id", "pararel_idx", "source", "pred", "cond", "template", "prediction")
_MQUAKE = ("questions", "answer", "answer_alias", "new_answer", "new_answer_alias", "single_hops", "new_single_hops", "orig",
           "generation_prompts", "attribute_prompts")  # fmt: skip
_AXES = ("Logical_Generalization", "Compositionality_I", "Compositionality_II", "Subject_Aliasing", "Relation_Specificity",
         "Forgetfulness", "example_type")  # fmt: skip
_PART = ("locality", "portability")
FORMATS = tuple(
    Format(key, read, frozenset((*keys, *_NAMES)))
    for key, read, keys in (
        ("requested_rewrite", of_rewrites,
         ("requested_rewrite", "paraphrase_prompts", "neighborhood_prompts", "generation_prompts", *_MQUAKE)),
        ("edit", _ripple, ("edit", *_AXES)),
        ("prompt_templates", _relation, ("prompt_templates", "prompt_templates_zs", "samples", "name", "properties")),
        ("target_new", _easyedit,
         ("prompt", "subject", "target_new", "ground_truth", "target_true", "rephrase_prompt", "rephrase", "locality_prompt",
          "locality_ground_truth", *_PART)),
        ("target_false", _tracing,
         ("prompt", "subject", "target_false", "target_true", "relation", "relation_prefix", "relation_suffix")),
        ("concept", _wikibio, ("concept", "text", "labels", *_PART)),
        ("src", _zsre, ("src", "subject", "alt", "answers", "rephrase", "loc", "loc_ans", *_PART)),
        ("loc_ans", _zsre, ("src", "subject", "alt", "answers", "rephrase", "loc", "loc_ans", *_PART)),
        ("rephrase", _qaedit, ("prompt", "subject", "target", "rephrase", "locality", "portability")),
        ("attribute", _known, ("prompt", "subject", "attribute")),
        ("target", _suture,
         ("prompt", "subject", "target", "was", "paraphrases", "neighbours", "openings", "references")),
    )
)  # fmt: skip
