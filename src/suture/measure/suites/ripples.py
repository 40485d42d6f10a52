"""What follows from a rewritten fact and what must not: the files of RippleEdits and KnowEdit, and what is asked of them.

Source: Cohen et al. 2024, "Evaluating the Ripple Effects of Knowledge Editing in Language Models", section 3: logical
generalisation, compositionality I and II, subject aliasing, forgetfulness, relation specificity. A test counts only where the
model answers all its conditions before the edit. Zhang et al. 2024, "A Comprehensive Study of Knowledge Editing for Large
Language Models" (KnowEdit): portability (aliasing, reasoning, logical generalisation) and locality, by the same names.
A query of RippleEdits with several targets asks for all of them, each by its name or an alias, and so does a condition.
Differs from both: the model writes freely, and an answer must come first in what it writes, not somewhere in it (of several
targets one must); of several answers of KnowEdit, whose evaluator reads one, any will do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import DataError, SutureError, UsageError
from ...io.rows import Record, described, records, refuse
from ...io.unread import Unread
from ...metrics import any_of
from ...metrics._score import Progress
from ...model.lm import LM
from ..suite import Measure, Suite

FORM = (
    'Give a file of RippleEdits ({"edit", "Logical_Generalization", ...}) or of KnowEdit ({"portability", "locality"}).'
)
AXES = ("Logical_Generalization", "Compositionality_I", "Compositionality_II", "Subject_Aliasing", "Relation_Specificity",
        "Relation_Specifity", "Forgetfulness")  # fmt: skip
KNOWN = ("edit", "example_type", *AXES, "portability", "locality", "prompt", "subject", "target_new", "ground_truth", "rephrase",
         "rephrase_prompt", "cond", "pred", "text", "labels", "concept", "src", "alt", "answers", "loc", "loc_ans")  # fmt: skip
TEST = ("test_queries", "test_condition", "condition_queries", "prompt", "ground_truth")
SPELLED = {"relation_specifity": "relation_specificity"}  # as the authors' description has it
STAYS = frozenset({"relation_specificity", "forgetfulness", "distracting_neighbor", "other_attribution"})
ABOUT = {
    "logical_generalization": "what follows from the new facts by the relation's own logic",
    "compositionality_i": "two steps, the new fact first",
    "compositionality_ii": "two steps, the new fact last",
    "subject_aliasing": "new facts, their subject by another name",
    "reasoning": "one step beyond the new facts",
    "relation_specificity": "other facts about the subjects",
    "forgetfulness": "other answers of the same relation",
}


@dataclass(frozen=True)
class Question:
    """A prompt and what is to be said.

    Attributes:
        prompt: as it is asked.
        answers: names of the target; one is enough.
        also: names of each further target; all targets are to be said.
    """

    prompt: str
    answers: tuple[str, ...]
    also: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Ripple:
    """One test of an edit.

    Attributes:
        axis: what it tests, in lower case: "logical_generalization", "subject_aliasing" ...
        questions: one is to be answered, or with `every` all.
        every: see there.
        conditions: what the model must know before the edit for the test to say anything.
    """

    axis: str
    questions: tuple[Question, ...]
    every: bool = False
    conditions: tuple[Question, ...] = ()


def load_ripples(path: str | Path, take: int | None = None) -> list[Ripple]:
    """Read the tests of a file, or of the first `take` edits in it; questions without an answer are left out.

    Raises:
        DataError: naming file and line of what is no such record, or when there are no tests.
    """
    unread = Unread(path)
    rows = unread.seen(islice(records(path, refuse, FORM), take), KNOWN)
    tests = [test for place, record in rows for test in _tests(record, f"{path}, {place}", unread)]
    unread.tell()
    if not tests:
        raise DataError(f"{path} holds no tests", fix=FORM)
    return tests


def executable(
    lm: LM, tests: Sequence[Ripple], progress: Progress | None = None, *, chat: bool = False
) -> list[Ripple]:
    """Return the tests whose conditions a model meets: those that say something about an edit of it.

    Args:
        lm: the model before the edit.
        tests: of `load`.
        progress: called as questions are answered.
        chat: write the prompts with the chat template.
    """
    conditional = [test for test in tests if test.conditions]
    if not conditional:
        return list(tests)
    cases = _cases([test.conditions for test in conditional], every=True, chat=chat)
    met = any_of.observe(lm, cases, progress).values
    met_ids = {id(test) for test, right in zip(conditional, met.tolist(), strict=True) if right}
    return [test for test in tests if not test.conditions or id(test) in met_ids]


def ripple_suite(tests: Sequence[Ripple], *, chat: bool = False) -> Suite:
    """Return a measure for each axis, for `evaluation.evaluate`; what must not change is to keep.

    Args:
        tests: of `executable`.
        chat: write the prompts with the chat template; what the first sentence of an answer states counts.

    Raises:
        UsageError: when there are no tests.
    """
    if not tests:
        raise UsageError(
            "no test can be asked",
            why="The model does not know what they rest on.",
            fix="Give tests of what it knows, or a larger model.",
        )
    measures = []
    for axis in dict.fromkeys(test.axis for test in tests):
        for every in (False, True):
            questions = [
                test.questions
                for test in tests
                if test.axis == axis and (test.every and len(test.questions) > 1) == every
            ]
            if questions:
                name, role = f"ripple_{axis}" + "_all" * every, "keep" if axis in STAYS else "note"
                about = ABOUT.get(axis, axis.replace("_", " ")) + ", all questions of a test" * every
                cases = _cases(questions, every=every, chat=chat)
                measures.append(Measure(name, "any_of", cases, role, "higher", about))  # type: ignore[arg-type]
    return measures


def _cases(groups: Sequence[Sequence[Question]], *, every: bool, chat: bool) -> any_of.Cases:
    prompts = [[question.prompt for question in questions] for questions in groups]
    also = [[question.also for question in questions] for questions in groups]
    answers = [[question.answers for question in questions] for questions in groups]
    return any_of.Cases(prompts, answers, every=every, chat=chat, also=also)


def _tests(record: Record, where: str, unread: Unread) -> Iterator[Ripple]:
    """Tell the two formats by their keys."""
    try:
        if "edit" in record:
            for axis, tests in record.items():
                if isinstance(tests, list):
                    for test in tests:
                        unread.see(test, TEST, axis)
                    yield from _of_ripple_edits(_named(axis), tests)
        elif "portability" in record or "locality" in record:
            for part in ("portability", "locality"):
                for axis, tests in _mapping(record.get(part) or {}).items():
                    for test in tests:
                        unread.see(test, TEST, axis)
                    yield from _of_know_edit(_named(axis), tests)
        else:
            raise DataError(f"{where}: no tests of an edit", why=described(record), fix=FORM)
    except SutureError:  # said already
        raise
    except (KeyError, TypeError, ValueError) as problem:
        why = f"{problem} is missing." if isinstance(problem, KeyError) else f"{problem}."
        raise DataError(f"{where}: not as RippleEdits or KnowEdit write it", why=why, fix=FORM) from None


def _of_ripple_edits(axis: str, tests: Sequence[Any]) -> Iterator[Ripple]:
    for test in map(_mapping, tests):
        questions, conditions = (
            tuple(map(_question, test.get(key) or ())) for key in ("test_queries", "condition_queries")
        )
        questions = tuple(question for question in questions if question.answers)
        if questions and all(question.answers for question in conditions):
            yield Ripple(axis, questions, test.get("test_condition") == "AND", conditions)


def _of_know_edit(axis: str, tests: Sequence[Any]) -> Iterator[Ripple]:
    for test in map(_mapping, tests):
        answers = tuple(_texts(test["ground_truth"]))
        if answers:
            yield Ripple(axis, (Question(_text(test["prompt"]), answers),))


def _question(query: Mapping[str, Any]) -> Question:
    answers = map(_mapping, _mapping(query)["answers"])
    targets = [tuple(_texts([answer["value"], answer.get("aliases")])) for answer in answers]
    first, *more = dict.fromkeys(filter(None, targets)) or [()]
    return Question(_text(query.get("phrase") or query["prompt"]), first, tuple(more))


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a value of a file
    """Yield the texts of a text, or of lists of them, however deep; empty ones are no answers."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and _text(value).strip():
        yield value


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a value of a file
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is not an object")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - a value of a file
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _named(axis: str) -> str:
    name = axis.strip().lower().replace(" ", "_")
    return SPELLED.get(name, name)
