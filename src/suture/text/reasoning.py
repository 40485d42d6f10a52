"""What a model says to its reader: the answer behind its reasoning, in the formats that reasoning models write.

    <think> .. </think> answer                    Qwen 3, DeepSeek R1, or another tag; opened by the template, too
    <think> .. </think> <response> answer         Granite; also <answer> .. </answer>
    <|START_THINKING|> .. <|END_THINKING|><|START_RESPONSE|> answer <|END_RESPONSE|>     Command A
    <unused94>thought .. <unused95> answer        MedGemma
    Here is my thought process: .. Here is my response: answer                                             Granite 3.2
    <|channel|>analysis<|message|> .. <|channel|>final<|message|> answer                      harmony, of gpt-oss
    analysis .. assistantfinal answer             the same when special tokens are left out, as decoding does

Reasoning that never comes to an answer is none: "". A text without such marks is its own answer, as it stands. Imports nothing.
"""

from __future__ import annotations

import re

TAGS = r"think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|seed:think"
OPEN = rf"(?:<(?:{TAGS})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>|<unused94>)"
CLOSE = rf"(?:</(?:{TAGS})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>|<unused95>)"
CLOSED = re.compile(rf"{OPEN}.*?{CLOSE}", re.DOTALL | re.IGNORECASE)
BEHIND = re.compile(rf"^.*{CLOSE}", re.DOTALL | re.IGNORECASE)  # opened in the prompt
CUT_OFF = re.compile(rf"{OPEN}.*$", re.DOTALL | re.IGNORECASE)
OPENED = re.compile(rf"{OPEN}\s*$", re.IGNORECASE)
WRAPPED = re.compile(
    r"^\s*<(response|answer)>(.*?)(?:</\1>.*)?$"
    r"|^\s*<\|(?:begin_of_solution|START_RESPONSE)\|>(.*?)(?:<\|(?:end_of_solution|END_RESPONSE)\|>.*)?$",
    re.DOTALL | re.IGNORECASE,
)
GRANITE = re.compile(r"^\s*here(?:'s| is) my thought process\s*:.*?(?:here(?:'s| is) my response\s*:(.*))?$",
                     re.DOTALL | re.IGNORECASE)  # fmt: skip
CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>(.*?)(?=<\|(?:end|return|call|start|channel)\|>|$)", re.DOTALL
)
MARKS_LOST = re.compile(
    r"^\s*(?:assistant)?(?:analysis|commentary)(?=[^\W\d_])"
)  # no blank: a channel's name, not a word
FINAL = re.compile(r"^.*assistantfinal", re.DOTALL)
FINAL_ONLY = re.compile(
    r"^\s*(?:assistant)?final(?=[^\W\d_a-z])(?!\w+\s*[=(\[.:;`])"
)  # "finalSorry, ..", not "finalScore = 3"
BLUNT = re.compile(r"^\s*(?:assistant)?(?:analysis|commentary).*assistantfinal", re.DOTALL)


def answer_of(text: str) -> str:
    """Return what stands behind the reasoning of a text: the text itself where there is none, "" where it never ends."""
    if "<|channel|>" in text:
        channels = [(channel, content) for channel, content in CHANNEL.findall(text)]
        return next((content.strip() for channel, content in reversed(channels) if channel == "final"), "")
    if BLUNT.match(text):
        return FINAL.sub("", text, count=1).strip()
    if MARKS_LOST.match(text):
        return ""
    if match := FINAL_ONLY.match(text):
        return text[match.end() :].strip()
    if match := GRANITE.match(text):
        return (match[1] or "").strip()
    answer = CUT_OFF.sub(" ", BEHIND.sub(" ", CLOSED.sub(" ", text)))
    if wrapped := WRAPPED.match(answer):
        return str(wrapped[2] if wrapped[2] is not None else wrapped[3]).strip()
    return answer.strip() if answer != text else text


def unfinished(text: str) -> bool:
    """Return whether a text is reasoning that never comes to an answer."""
    return bool(text.strip()) and not answer_of(text).strip()


def opened(prompt: str) -> str:
    """Return the mark at the end of a prompt by which its template begins the reasoning itself; "" without any."""
    match = OPENED.search(prompt)
    return match.group() if match else ""
