"""Two answers to one request of which one is better: the pairs that preference tuning and steering read.

chosen, rejected (+ prompt)                        texts, messages, lists of them, or whole dialogues (HH-RLHF)
preferred_output, non_preferred_output, input      OpenAI
response_0, response_1, is_response_0_safe,        PKU-SafeRLHF
is_response_1_safe, safer_response_id
question, answer_matching_behavior,                contrastive activation addition: matching is unwanted
answer_not_matching_behavior
context, response1, response2, overall_preference  HelpSteer3: below 0 the first is better, above it the second, 0 neither
history, human_ref_A, human_ref_B, labels          SHP: 1 says that A is better
question, response_j, response_k                   answers of Stack Exchange: j is better
conversation_a, conversation_b, winner             Chatbot Arena: "model_a", "model_b", or a tie
prompt, safe, unsafe; SafeEdit                     see `instances`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from ..io.rows import text_of
from .conversation import request
from .turns import Turn, is_chat, turns_of, unpacked

CHOSEN = (("chosen", "rejected"), ("chosen_response", "rejected_response"), ("preferred", "dispreferred"),
          ("preferred_output", "non_preferred_output"), ("safe", "unsafe"),
          ("safe generation", "unsafe generation"), ("response_j", "response_k"))  # fmt: skip
PROMPTS = (
    "prompt",
    "adversarial prompt",
    "question",
    "instruction",
    "input",
    "conversations",
    "messages",
    "context",
    "history",
)
RATED: dict[
    tuple[str, str], tuple[str, dict[str, int | None]]
] = {  # keys of two answers, the key that says which is better, and how it says the first, the second, neither
    ("response1", "response2"): ("overall_preference", {"-3": 0, "-2": 0, "-1": 0, "0": None, "1": 1, "2": 1, "3": 1}),
    ("human_ref_A", "human_ref_B"): ("labels", {"1": 0, "0": 1}),
    ("conversation_a", "conversation_b"): (
        "winner",
        {"model_a": 0, "model_b": 1, "tie": None, "tie (bothbad)": None, "both_bad": None},
    ),
}
PKU = ("response_0", "response_1")
SAFER, FLAGS = "safer_response_id", ("is_response_0_safe", "is_response_1_safe")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}  # as tables write them, too
CAA = ("answer_not_matching_behavior", "answer_matching_behavior")


@dataclass(frozen=True)
class Preference:
    """A request with its better and its worse answer.

    Attributes:
        prompt: the request; "" where the answers are plain texts.
        better: the answer that is wanted.
        worse: the other.
        labels: whether (better, worse) is unwanted, where each was judged by itself.
        used: keys of the row that are in them.
    """

    prompt: str
    better: str
    worse: str
    labels: tuple[int, int] = (0, 1)
    used: frozenset[str] = frozenset()

    @property
    def equal(self) -> bool:
        """Whether neither answer is better: they are the same, or were found equal and are left out."""
        return self.better == self.worse


def preference_of(row: Any, where: str) -> Preference | None:  # noqa: ANN401 - a row of a file
    """Return the pair that a row holds; None for what holds none.

    Raises:
        DataError: beginning with `where`, for one with a part missing.
    """
    if not isinstance(row, Mapping):
        return None
    row = unpacked(row)
    if set(PKU) <= set(row):
        return _pku(row, where)
    if set(CAA) <= set(row):
        better, worse = (text_of(row, key, where) for key in CAA)
        return Preference(text_of(row, "question", where), better, worse, used=frozenset((*CAA, "question")))
    rated = next((keys for keys in RATED if set(keys) <= set(row)), None)
    keys = rated or next((keys for keys in CHOSEN if set(keys) <= set(row)), None)
    if keys is None:
        return None
    prompt_key = next((key for key in PROMPTS if key in row), "")
    used = {*keys, prompt_key} - {""}
    if rated:
        used |= {RATED[rated][0], "individual_preference"}
        first = _better(row, rated, where)
        if first is None:
            return Preference("", "", "", used=frozenset(used))
        keys = (rated[first], rated[1 - first])
    prompt, better, worse = _answers(row, keys, prompt_key, where)
    return Preference(prompt, better, worse, used=frozenset(used))


def _better(row: Mapping[str, Any], keys: tuple[str, str], where: str) -> int | None:
    """Return which of two rated answers is better, 0 or 1; None for neither."""
    by, meanings = RATED[keys]
    said = str(row.get(by)).casefold().removesuffix(".0")
    if said not in meanings:
        known = ", ".join(meanings)
        raise DataError(
            f"{where}, {by}: {row.get(by)!r} does not say which answer is better", fix=f"Write one of {known}."
        )
    return meanings[said]


def _answers(row: Mapping[str, Any], keys: tuple[str, str], prompt_key: str, where: str) -> tuple[str, str, str]:
    """Return prompt and answers of a pair of texts, of messages, or of dialogues in which the prompt stands."""
    values, given = [_turns(row[key]) for key in keys], row[prompt_key] if prompt_key else None
    if isinstance(given, Mapping):  # OpenAI wraps the messages
        given = given.get("messages")
    chats = all(map(is_chat, values))
    spoken = not prompt_key and all(isinstance(value, str) and "\n\nAssistant:" in value for value in values)
    if chats or spoken:
        before = turns_of(given, f"{where}, {prompt_key}") if is_chat(given) else []
        better, worse = (
            [*before, *turns_of(value, f"{where}, {key}")] for key, value in zip(keys, values, strict=True)
        )
        return _parted(better, worse, given, where)
    better_text, worse_text = (text_of(row, key, where) for key in keys)
    if not prompt_key:
        return "", better_text, worse_text
    prompt = request(turns_of(given, f"{where}, {prompt_key}")) if is_chat(given) else text_of(row, prompt_key, where)
    return prompt, better_text, worse_text


def _turns(value: Any) -> Any:  # noqa: ANN401 - a value of a file
    """Return one message (LlamaFactory's answers) as a list of it; else the value."""
    return [value] if is_chat([value]) else value


def _pku(row: Mapping[str, Any], where: str) -> Preference:
    safer = row.get(SAFER)
    flags = [BOOLEANS.get(str(row.get(key)).casefold()) for key in FLAGS]
    if safer not in (0, 1, "0", "1"):
        if not all(isinstance(flag, bool) for flag in flags) or flags[0] == flags[1]:
            raise DataError(f"{where}: nothing says which response is safer", fix=f"Give {SAFER}, 0 or 1.")
        safer = int(bool(flags[1]))
    better, worse = (text_of(row, PKU[index], where) for index in (int(safer), 1 - int(safer)))
    labels = (0, 1)
    if all(isinstance(flag, bool) for flag in flags):
        labels = (int(not flags[int(safer)]), int(not flags[1 - int(safer)]))
    about = (f"{key}_{what}" for key in (*PKU, "prompt") for what in ("source", "sha256", "harm_category"))
    used = frozenset((*PKU, SAFER, *FLAGS, *about, "prompt", "better_response_id"))
    return Preference(text_of(row, "prompt", where), better, worse, labels, used)


def _parted(first: list[Turn], second: list[Turn], prompt: object, where: str) -> tuple[str, str, str]:
    """Return what two conversations share, and the answers in which they part; what follows them answers nothing shared.

    Where they share nothing, they are answers to the prompt beside them.
    """
    least = min(len(first), len(second)) - 1
    shared = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), least)
    before = first[:shared]
    if not before and isinstance(prompt, str) and prompt.strip():
        before = [("user", prompt.strip())]
    answers = (first[shared], second[shared])
    if any(role != "assistant" for role, _ in answers) or not before or before[-1][0] != "user":
        why = f"They part at turn {shared + 1}, which is no answer to a request."
        fix = "Let both end with the assistant's answer."
        raise DataError(f"{where}: not two answers to one request", why=why, fix=fix)
    return request(before), answers[0][1], answers[1][1]
