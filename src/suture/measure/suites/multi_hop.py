"""Questions over several facts, of which some are rewritten: the files of MQuAKE and what is asked of an edit.

Source: Zhong et al. 2023, "MQuAKE: Assessing Knowledge Editing in Language Models via Multi-Hop Questions", section 3.3.
    edit-wise      a rewritten fact, in its own words
    single hops    a single fact on the way, each by itself
    instance-wise  all single facts on the way of an instance
    multi-hop      any of the three questions, by its new answer or an alias of it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ...data.examples import Fact
from ...data.fact_files import contradiction
from ...data.fact_formats import of_rewrites
from ...errors import DataError, UsageError
from ...io.rows import described, list_of, records, refuse
from ...io.unread import Unread, log
from ...metrics import any_of, completion
from ..suite import Measure, Suite

NEEDED = ("requested_rewrite", "questions", "new_answer")
KNOWN = ("requested_rewrite", "questions", "new_answer", "new_answer_alias", "new_single_hops", "answer", "answer_alias",
         "single_hops", "orig", "generation_prompts", "attribute_prompts")  # fmt: skip
ABOUT_ALL_HOPS = "all single facts on the way of a question"


@dataclass(frozen=True)
class Instance:
    """A question that several facts answer together.

    Attributes:
        facts: those that are rewritten.
        questions: the same question in several ways.
        answers: its new answer and the aliases of that.
        hops: each single fact on the way: how it is asked, and its answers after the rewriting.
    """

    facts: tuple[Fact, ...]
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    hops: tuple[tuple[str, tuple[str, ...]], ...]


def load_hops(path: str | Path, take: int | None = None) -> list[Instance]:
    """Read a file of MQuAKE (CF-3k, CF-3k-v2, CF or T), or the first `take` instances of it.

    Raises:
        DataError: naming file and line of what is no instance.
    """
    unread = Unread(path)
    rows = unread.seen(islice(records(path, refuse), take), KNOWN)
    instances = [_instance(record, f"{path}, {place}") for place, record in rows]
    unread.tell()
    if not instances:
        raise DataError(f"{path} holds no instances", fix="Give a file of MQuAKE.")
    if pair := contradiction(rewritten(instances)):
        first, second = (rewritten(instances)[index] for index in pair)
        targets = f"{first.prompt!r} is rewritten to {first.target!r} and to {second.target!r}"
        log.warning("%s: %s; edit_wise can not reach 100 %% with one patch", path, targets)
    return instances


def rewritten(instances: Sequence[Instance]) -> list[Fact]:
    """Return all facts that instances rewrite, each once, in order."""
    return list(dict.fromkeys(fact for instance in instances for fact in instance.facts))


def hop_suite(instances: Sequence[Instance], *, chat: bool = False) -> Suite:
    """Return the measures of MQuAKE.

    Args:
        instances: of `load_hops`.
        chat: write the prompts with the chat template; what the first sentence of an answer states counts.

    Raises:
        UsageError: when there are no instances.
    """
    if not instances:
        raise UsageError("no instances to measure", fix="Give at least one.")
    facts = rewritten(instances)
    targets = [fact.target for fact in facts]
    single = completion.Cases([fact.prompt for fact in facts], targets, chat=chat, sentence=chat)
    answers = [[i.answers] * len(i.questions) for i in instances]
    questions = any_of.Cases([i.questions for i in instances], answers, chat=chat)
    measures = [
        Measure("edit_wise", "completion", single, "target", "higher", "rewritten facts, in their own words"),
        Measure("multi_hop", "any_of", questions, "note", "higher", "questions over several facts, any of their ways"),
    ]
    ways = [instance.hops for instance in instances if instance.hops]
    if ways:
        single_hops = _hops([[hop] for hops in ways for hop in hops], chat=chat)
        measures[1:1] = [
            Measure("single_hops", "any_of", single_hops, "note", "higher", "the single facts on the way"),
            Measure("instance_wise", "any_of", _hops(ways, chat=chat), "note", "higher", ABOUT_ALL_HOPS),
        ]
    return measures


def _hops(ways: Sequence[Sequence[tuple[str, tuple[str, ...]]]], *, chat: bool) -> any_of.Cases:
    """Return cases that are right when every hop of a way is."""
    prompts = [[prompt for prompt, _ in way] for way in ways]
    answers = [[names for _, names in way] for way in ways]
    return any_of.Cases(prompts, answers, every=True, chat=chat)


def _instance(record: Any, where: str) -> Instance:  # noqa: ANN401 - a record of a file
    if missing := [key for key in NEEDED if key not in record]:
        why = f"It has no {missing[0]}. {described(record)}"
        raise DataError(f"{where}: not an instance of MQuAKE", why=why, fix="Give a file of MQuAKE.")
    try:
        facts = tuple(of_rewrites(record, where))
        hops = [(hop["cloze"], _answers(hop, "answer")) for hop in list_of(record, "new_single_hops", where)]
        instance = Instance(
            facts, tuple(list_of(record, "questions", where)), _answers(record, "new_answer"), tuple(hops)
        )
    except (KeyError, TypeError, AttributeError) as problem:
        raise DataError(f"{where}: not an instance of MQuAKE", why=repr(problem), fix="Fetch the file again.") from None
    texts = [*instance.questions, *instance.answers, *(prompt for prompt, _ in instance.hops)]
    if not instance.facts or not instance.questions or not all(isinstance(t, str) and t.strip() for t in texts):
        raise DataError(f"{where}: not an instance of MQuAKE", why="A text is missing.", fix="Fetch the file again.")
    return instance


def _answers(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    alias = record.get(f"{key}_alias") or ()
    return (record[key], *([alias] if isinstance(alias, str) else alias))
