"""Kinds of fields: what they take, and what the protocol knows beside what is done here.

    Null       an absent key, in every object
    Idle       has no influence on the text, whatever it says
    only(...)  would have one and is not offered; the values that ask for nothing are taken, as clients write out their defaults
A whole number may be written 16.0, as JSON has one kind of numbers. Sources: OpenAI's API reference, "Completions" and "Chat";
vLLM's "OpenAI-Compatible Server", extra parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

KEYS = 128  # of one object


def few(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Refuse an object of very many keys before each of them is looked at, in which time nobody is answered."""
    if isinstance(given, dict) and len(given) > KEYS:
        raise ValueError(f"{len(given)} keys; at most {KEYS} are read")
    return given


def without_nulls(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take a null for an absent key: clients send back all the fields of an answer, those without a value as null."""
    if not isinstance(given, dict):
        return given
    return {key: value for key, value in few(given).items() if value is not None}


def whole(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take 16.0 for 16."""
    return int(given) if isinstance(given, float) and given.is_integer() and abs(given) < 2**53 else given


def only(*neutral: Any) -> Callable[[Any], Any]:  # noqa: ANN401 - anything JSON can hold
    """Return a check that takes values which ask for nothing, and refuses what is not offered."""

    def check(given: Any) -> Any:  # noqa: ANN401
        if given not in neutral:
            raise ValueError(
                f"this is not offered here; leave it out, or give {' or '.join(map(_written, neutral[:2]))}"
            )
        return given

    return check


def nothing(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take what is empty or false for an absent key, and refuse what is not offered."""
    if given not in ([], {}, "", False):
        raise ValueError("this is not offered here; leave it out")
    return given


def unbiased(given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Take a bias of 0 for none."""
    if not isinstance(given, dict) or any(value != 0 for value in given.values()):
        raise ValueError("this is not offered here; leave it out, or give {}")
    return given


def _written(value: Any) -> str:  # noqa: ANN401
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value).replace("'", '"')


Whole = Annotated[int, BeforeValidator(whole)]
Idle = Any  # a field that changes nothing
None_ = Annotated[Any, AfterValidator(nothing)]
Off = Annotated[Any, AfterValidator(only(False))]
On = Annotated[Any, AfterValidator(only(True))]
Zero = Annotated[Any, AfterValidator(only(0))]
One = Annotated[Any, AfterValidator(only(1))]


class Strict(BaseModel):
    """An object of the protocol: no key that is not known, no number in words, no null."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, given: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
        return without_nulls(given)


class StreamOptions(Strict):
    """What else a stream tells."""

    include_usage: bool = False
    include_obfuscation: bool = False  # padding against who listens on the wire: not used
    continuous_usage_stats: Off = False


class Known(Strict):
    """What the protocol and its other servers know, and clients write out; none of it is done here."""

    # OpenAI: bookkeeping
    user: Idle = None
    metadata: Idle = None
    store: Idle = None
    service_tier: Idle = None
    safety_identifier: Idle = None
    prompt_cache_key: Idle = None
    prompt_cache_retention: Idle = None
    # vLLM, llama.cpp: bookkeeping
    request_id: Idle = None
    priority: Idle = None
    cache_salt: Idle = None
    cache_prompt: Idle = None
    spaces_between_special_tokens: Idle = None
    # sampling that is not offered
    presence_penalty: Zero = 0
    frequency_penalty: Zero = 0
    repetition_penalty: One = 1
    length_penalty: One = 1
    logit_bias: Annotated[Any, AfterValidator(unbiased)] = Field(default_factory=dict)
    top_k: Annotated[Any, AfterValidator(only(-1, 0))] = 0
    min_p: Zero = 0
    typical_p: One = 1
    min_tokens: Zero = 0
    num_beams: One = 1
    use_beam_search: Off = False
    ignore_eos: Off = False
    stop_token_ids: None_ = None
    allowed_token_ids: None_ = None
    bad_words: None_ = None
    include_stop_str_in_output: Off = False
    skip_special_tokens: On = True
    prompt_logprobs: None_ = None
    return_tokens_as_token_ids: Off = False
    return_token_ids: Off = False
    truncate_prompt_tokens: None_ = None
    response_format: Annotated[Any, AfterValidator(only({"type": "text"}))] = None
    structured_outputs: None_ = None
    guided_json: None_ = None
    guided_regex: None_ = None
    guided_choice: None_ = None
    guided_grammar: None_ = None


class KnownOfChats(Known):
    """The same of chats alone."""

    tools: None_ = None
    tool_choice: Annotated[Any, AfterValidator(only("none", "auto"))] = "none"
    parallel_tool_calls: Idle = None
    functions: None_ = None
    function_call: Annotated[Any, AfterValidator(only("none", "auto"))] = "none"
    modalities: Annotated[Any, AfterValidator(only(["text"]))] = None
    audio: None_ = None
    prediction: None_ = None
    web_search_options: None_ = None
    verbosity: Annotated[Any, AfterValidator(only("medium"))] = None
    echo: Off = False
    best_of: One = 1
    documents: None_ = None
    add_generation_prompt: On = True
    continue_final_message: Off = False
    add_special_tokens: Off = False
    include_reasoning: Idle = None
    reasoning_effort: Annotated[Any, AfterValidator(only("none", "medium"))] = None


class KnownOfCompletions(Known):
    """The same of completions alone."""

    suffix: None_ = None
    add_special_tokens: On = True
