"""Records of facts: our own, and those of public collections.

    {"prompt", "subject", "target", "was", "paraphrases", "neighbours",
     "openings", "references"}                                               a line each; prompt and target are needed
    CounterFact (ROME's and EasyEdit's), MQuAKE, RippleEdits, KnowEdit,
    zsRE, QAEdit, known facts                                                a list of records
    relations                                                                one relation with its templates and samples

Which format a record has is told by its keys. A subject that is not given is the prompt's one name, if it has but one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .errors import DataError
from .examples import Fact
from .json_records import Record
from .subjects import found_subject

NEIGHBOURS = 5  # of a fact of a relation: the samples that follow it


def facts_of(record: Record, where: str) -> Iterator[Fact]:
    """Yield the facts of a record, whose format is told by its keys.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    known: tuple[tuple[str, Callable[[Record, str], Iterator[Fact]]], ...] = (
        ("requested_rewrite", of_rewrites), ("edit", _ripple), ("prompt_templates", _relation), ("target_new", _easyedit),
        ("src", _zsre), ("loc_ans", _zsre), ("rephrase", _qaedit), ("attribute", _known), ("target", _own),
    )  # fmt: skip
    for key, reader in known:
        if key in record:
            yield from reader(record, where)
            return
    raise DataError(
        f"{where}: not a fact",
        why=f"It has {', '.join(map(str, record)) or 'nothing'}.",
        fix='Write {"prompt": ..., "subject": ..., "target": ...}',
    )


def _own(record: Record, where: str) -> Iterator[Fact]:
    near = []
    for item in _list(record, "neighbours", where):
        pair = (item.get("prompt"), item.get("answer")) if isinstance(item, Mapping) else item
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(p, str) and p for p in pair):
            raise DataError(f"{where}, neighbours: {item!r} is no pair", fix='Write ["prompt", "answer"].')
        near.append((pair[0], pair[1]))
    if "subject" not in record and isinstance(record.get("prompt"), str):
        record = {**record, "subject": found_subject(record["prompt"], where)}
    yield _fact(where, record, "prompt", "target", was=record.get("was"), neighbours=near,
                paraphrases=_list(record, "paraphrases", where), openings=_list(record, "openings", where),
                references=_list(record, "references", where))  # fmt: skip


def of_record(record: Record, where: str) -> Fact:
    """Return the fact of one of our own lines.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    if not isinstance(record, Mapping) or "target" not in record:
        raise DataError(f"{where}: not a fact", fix='Write {"prompt": ..., "subject": ..., "target": ...}')
    return next(_own(record, where))


def of_rewrites(record: Record, where: str) -> Iterator[Fact]:
    """Yield the facts of a record of CounterFact, which rewrites one, or of MQuAKE, which rewrites several.

    Raises:
        DataError: beginning with `where`, for what is no fact.
    """
    rewrite: Any = record.get("requested_rewrite")
    if isinstance(rewrite, list):
        for each in rewrite:
            yield from of_rewrites({"requested_rewrite": each}, where)
        return
    try:
        flat = {"subject": rewrite["subject"], "target": rewrite["target_new"]["str"],
                "prompt": rewrite["prompt"].replace("{}", rewrite["subject"])}  # fmt: skip
        old = rewrite["target_true"]["str"]
    except (KeyError, TypeError, AttributeError) as problem:
        raise DataError(
            f"{where}, requested_rewrite: incomplete", why=repr(problem), fix="Fetch the file again."
        ) from None
    near = [(text, old) for text in _list(record, "neighborhood_prompts", where)]
    yield _fact(where, flat, "prompt", "target", was=old, neighbours=near,
                paraphrases=_list(record, "paraphrase_prompts", where),
                openings=_list(record, "generation_prompts", where))  # fmt: skip


def _ripple(record: Record, where: str) -> Iterator[Fact]:
    """Two sentences that differ in the object, which ends them: what they share is the prompt."""
    edit = record["edit"]
    try:
        new, old = ([*text.strip().rstrip(".").split()] for text in (edit["prompt"], edit["original_fact"]["prompt"]))
    except (KeyError, TypeError, AttributeError):
        why = (
            "Without the sentence of the old fact (as in its `recent` file) it can not be seen where the object begins."
        )
        raise DataError(
            f"{where}: an edit without original_fact", why=why, fix="Use --ripples FILE to ask its tests."
        ) from None
    same = next((i for i, (a, b) in enumerate(zip(new, old, strict=False)) if a != b), min(len(new), len(old)))
    while same and not new[same - 1][0].islower():  # both objects begin with the same name
        same -= 1
    flat = {"prompt": " ".join(new[:same]), "target": " ".join(new[same:])}
    flat["subject"] = found_subject(flat["prompt"], where)
    yield _fact(where, flat, "prompt", "target", was=" ".join(old[same:]))


def _easyedit(record: Record, where: str) -> Iterator[Fact]:
    near = [(record["locality_prompt"], record["locality_ground_truth"])] if "locality_ground_truth" in record else []
    yield _fact(where, record, "prompt", "target_new", was=record.get("ground_truth"), neighbours=near,
                paraphrases=[record["rephrase_prompt"]] if "rephrase_prompt" in record else [])  # fmt: skip


def _zsre(record: Record, where: str) -> Iterator[Fact]:
    near = [(record["loc"], record["loc_ans"])] if "loc" in record and "loc_ans" in record else []
    answers = _list(record, "answers", where)
    yield _fact(where, record, "src", "alt", was=answers[0] if answers else None, neighbours=near,
                paraphrases=[record["rephrase"]] if "rephrase" in record else [])  # fmt: skip


def _qaedit(record: Record, where: str) -> Iterator[Fact]:
    near = []
    for item in _list(record, "locality", where):
        if not isinstance(item, Mapping) or not {"loc", "loc_ans"} <= set(item):
            raise DataError(f"{where}, locality: {item!r} is no question", fix='Write {"loc": ..., "loc_ans": ...}.')
        near.append((item["loc"], item["loc_ans"]))
    yield _fact(where, record, "prompt", "target", neighbours=near, paraphrases=[record["rephrase"]])


def _known(record: Record, where: str) -> Iterator[Fact]:
    yield _fact(where, record, "prompt", "attribute")


def _relation(record: Record, where: str) -> Iterator[Fact]:
    """Each sample is a fact in the first template; the others are paraphrases, the samples that follow neighbours."""
    templates, samples = _list(record, "prompt_templates", where), _list(record, "samples", where)
    if not templates or not all(isinstance(s, Mapping) and {"subject", "object"} <= set(s) for s in samples):
        raise DataError(f"{where}: not a relation", fix="Give prompt_templates and samples with subject and object.")
    done: set[str] = set()
    for index, sample in enumerate(samples):
        name = sample["subject"]
        if name in done:  # a subject with several objects: the first stands for it
            continue
        done.add(name)
        following = [samples[(index + i) % len(samples)] for i in range(1, NEIGHBOURS + 1)]
        near = [(templates[0].replace("{}", s["subject"]), s["object"]) for s in following if s["subject"] != name]
        flat = {"prompt": templates[0].replace("{}", name), "subject": name, "target": sample["object"]}
        yield _fact(where, flat, "prompt", "target", neighbours=near,
                    paraphrases=[t.replace("{}", name) for t in templates[1:]])  # fmt: skip


def _fact(
    where: str,
    record: Record,
    prompt: str,
    target: str,
    *,
    was: Any = None,  # noqa: ANN401 - a value of a file
    paraphrases: Sequence[Any] = (),
    neighbours: Sequence[tuple[Any, Any]] = (),
    openings: Sequence[Any] = (),
    references: Sequence[Any] = (),
) -> Fact:
    """Check the texts of a record and make the fact."""
    for key in (prompt, "subject", target):
        if not isinstance(record.get(key), str) or not record[key].strip():
            raise DataError(f"{where}, {key}: no text", fix="Fill it in or remove the record.")
    said = [*paraphrases, *openings, *references, *(text for pair in neighbours for text in pair)]
    others = [*said, *([] if was is None else [was])]
    if wrong := [text for text in others if not isinstance(text, str)]:
        raise DataError(f"{where}: {wrong[0]!r} is not a text", fix="Make it a string or remove it.")
    asked, subject = record[prompt].strip(), record["subject"].strip()
    at = asked.lower().rfind(subject.lower())
    if at < 0:
        raise DataError(
            f"{where}, subject: {subject!r} is not in the prompt",
            why=f"The prompt is {asked!r}.",
            fix="Write the subject as it stands in the prompt.",
        )
    own = asked[at : at + len(subject)]  # in the prompt's own capitals
    told = (tuple(each) for each in (paraphrases, neighbours, openings, references))
    return Fact(asked, own, record[target].strip(), was, *told)


def _list(record: Record, key: str, where: str) -> list[Any]:
    found = record.get(key, [])
    if not isinstance(found, list):
        raise DataError(f"{where}, {key}: not a list", fix="Write it in brackets.")
    return found
