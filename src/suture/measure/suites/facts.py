"""What an edit of facts is measured on: did it take, does it hold in other words, and what else did it move.

Success is decided by free generation (`metrics.completion`; in a chat by what the first sentence of an answer states). What is
forced token by token (the probability of the target, whether it is the likeliest, and CounterFact's ES, PS, NS, their
magnitudes and S) is a note, so that the gap can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ...data.examples import Fact
from ...errors import UsageError
from ...metrics import completion, consistency, edit_score, preference
from ...metrics._written import Cases
from ...text.spacing import joined
from ..suite import Measure, Suite

Pair = tuple[str, str]  # prompt, answer
Triple = edit_score.Triple


def fact_suite(
    facts: Sequence[Fact],
    others: Sequence[Pair] = (),
    texts: Sequence[str] = (),
    *,
    consequences: Sequence[Pair] = (),
    lead: str = "",
    chat: bool = False,
) -> Suite:
    """Return the measures of an edit of facts, for `evaluation.evaluate`.

    Args:
        facts: what was written; `paraphrases` and `neighbours` are asked where they are given.
        others: prompts with their answers about other things, such as other relations of the subjects.
        texts: neutral texts, for perplexity.
        consequences: prompts whose answer follows from the new facts and others, with that answer.
        lead: a long text; the new facts are also asked behind it.
        chat: write the prompts with the chat template.

    Raises:
        UsageError: when there are no facts.
    """
    if not facts:
        raise UsageError("no facts to measure", fix="Give at least one.")
    verbatim = [(fact.prompt, fact.target) for fact in facts]
    reworded = [(prompt, fact.target) for fact in facts for prompt in fact.paraphrases]
    near = list(dict.fromkeys(pair for fact in facts for pair in fact.neighbours))
    old = [(fact.prompt, fact.was) for fact in facts if fact.was]

    behind = [(joined(lead.rstrip(), prompt), target) for prompt, target in verbatim] if lead else []

    def completions(name: str, pairs: Sequence[Pair], role: Literal["target", "keep", "note"], about: str) -> Suite:
        better: Literal["higher", "lower"] = "lower" if name == "old_object" else "higher"
        cases = completion.Cases([p for p, _ in pairs], [answer for _, answer in pairs], chat=chat, sentence=chat)
        how = ", stated by the first sentence of the answer" if chat else ""
        return [Measure(name, "completion", cases, role, better, about + how)] if pairs else []

    measures = [
        *completions("success", verbatim, "target", "new facts, in the words they were given in"),
        *completions("unseen_phrasings", reworded, "target", "new facts, in other words"),
        *completions("old_object", old, "note", "facts as they were before"),
        *completions("locality", near, "keep", "neighbouring facts"),
        *completions("other", list(others), "keep", "other facts about the subjects"),
        *completions("multi_hop", list(consequences), "note", "what follows from the new facts"),
        *completions("long_context", behind, "note", "new facts, behind a long text"),
        *_forced_measures(facts, chat=chat),
    ]
    if texts:
        measures.append(Measure("perplexity", "perplexity", list(texts), "keep", "lower", "perplexity on neutral text"))
    return [*measures, *_text_measures(facts, chat=chat)]


def _forced_measures(facts: Sequence[Fact], *, chat: bool) -> Suite:
    """Return the diagnostics: what is forced token by token, beside what the model says by itself."""

    def preferences(name: str, size: str, rows: Sequence[Triple], about: str, other: str = "the old object") -> Suite:
        prompts, new, old = ([row[i] for row in rows] for i in range(3))
        cases = preference.Cases(prompts, new, old, chat=chat)
        note = f"{about}: forced, likelier than {other} (a diagnostic, not a success)"
        gap = f"{about}: forced, probability above that of {other} (a diagnostic, not a success)"
        measures = [
            Measure(name, "preference", cases, "note", "higher", note),
            Measure(size, "magnitude", cases, "note", "higher", gap),
        ]
        return measures if rows else []

    triples = [_triples(fact) for fact in facts]
    cases = completion.Cases([fact.prompt for fact in facts], [fact.target for fact in facts], chat=chat)
    return [
        *preferences("prefers_new", "magnitude_new", [row for groups in triples for row in groups[0]], "new facts"),
        *preferences(
            "prefers_new_reworded",
            "magnitude_reworded",
            [row for groups in triples for row in groups[1]],
            "new facts in other words",
        ),
        *preferences(
            "neighbours_prefer_old",
            "magnitude_neighbours",
            list(dict.fromkeys(row for groups in triples for row in groups[2])),
            "neighbouring facts",
            "the new object",
        ),
        *_one_figure(triples, len(facts), chat=chat),
        Measure(
            "exact_match",
            "exact_match",
            cases,
            "note",
            "higher",
            "every token of a target the likeliest, teacher-forced (a diagnostic, not a success)",
        ),
        Measure(
            "target_probability",
            "target_probability",
            cases,
            "note",
            "higher",
            "probability of a target's token, teacher-forced (a diagnostic, not a success)",
        ),
    ]


def _triples(fact: Fact) -> tuple[list[Triple], list[Triple], list[Triple]]:
    """Return what ES, PS and NS ask of a fact: prompt, what should be likelier, and what it is held against."""
    verbatim = [(fact.prompt, fact.target, fact.was)]
    reworded = [(prompt, fact.target, fact.was) for prompt in fact.paraphrases]
    near = [(prompt, answer, fact.target) for prompt, answer in fact.neighbours]
    success, paraphrase = (
        [(p, new, old) for p, new, old in rows if old and old != new] for rows in (verbatim, reworded)
    )
    return success, paraphrase, [row for row in near if row[1] != row[2]]


def _one_figure(triples: Sequence[tuple[list[Triple], ...]], count: int, *, chat: bool) -> Suite:
    """Return S, of those facts that have all that its three parts ask."""
    whole = [groups for groups in triples if all(groups)]
    verbatim, reworded, near = ([groups[i] for groups in whole] for i in range(3))
    of = "" if len(whole) == count else f", of the {len(whole)} facts that have all three"
    about = f"S: harmonic mean of ES, PS and NS{of}: forced (a diagnostic, not a success)"
    cases = edit_score.Cases(verbatim, reworded, near, chat=chat)
    return [Measure("edit_score", "edit_score", cases, "note", "higher", about)] if whole else []


def _text_measures(facts: Sequence[Fact], *, chat: bool) -> Suite:
    """Return the measures of free texts about the subjects, where it is told how these begin and what they should be like."""
    with_references = [fact for fact in facts if fact.openings and fact.references]
    prompt_numbers = [(prompt, number) for number, fact in enumerate(with_references) for prompt in fact.openings]
    prompts = [prompt for fact in facts for prompt in fact.openings]
    measures = []
    if prompts:
        about = "n-gram entropy of free texts about the subjects"
        measures.append(Measure("fluency_facts", "fluency", Cases(prompts, chat=chat), "note", "higher", about))
    if with_references:
        cases = consistency.Cases(
            [prompt for prompt, _ in prompt_numbers],
            chat=chat,
            owners=[number for _, number in prompt_numbers],
            references=[fact.references for fact in with_references],
        )
        about = "free texts about the subjects against texts about the new objects"
        measures.append(Measure("consistency", "consistency", cases, "note", "higher", about))
    return measures
