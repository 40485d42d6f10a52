"""What `suture doctor MODEL` prints: a model's sizes, tokens, chat format, lengths of states and sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..model.run.profile import Profile, Sink
    from ._console import Console

SHOWN = 8  # of the sinks, and of the ids that no embedding is for


def show_profile(console: Console, seen: Profile) -> None:
    """Print a profile as tables."""
    console.table(["what", "found"], [[key, value] for key, value in _facts(seen).items()])
    rows = [
        [str(block), f"{typical:.4g}", f"{limit:.4g}"]
        for block, (typical, limit) in enumerate(zip(seen.typical, seen.limits, strict=True))
    ]
    console.table(["block", "typical length", "a sink from"], rows, "states behind each block")
    if seen.sinks:
        shown = [_row(sink, seen.texts) for sink in seen.sinks[:SHOWN]]
        console.table(["position", "token", "texts", "blocks", "at most"], shown, "sinks: left out of all that is read")
    else:
        console.say(f"sinks: none in {seen.texts} texts")


def _row(sink: Sink, texts: int) -> list[str]:
    blocks = f"{sink.first} to {sink.last}" if sink.last > sink.first else str(sink.first)
    token = "any" if sink.position == 0 and sink.texts > 1 else sink.token
    return [str(sink.position), token, f"{sink.texts} of {texts}", blocks, f"{sink.ratio:.0f} x in block {sink.block}"]


def _facts(seen: Profile) -> dict[str, str]:
    sizes, memory, words, special = seen.sizes, seen.memory, seen.vocabulary, seen.special
    limit = sizes["context"]
    cache = f"{memory['cache_per_token'] / 1e3:.1f} kB a token of context"
    whole = f", {_size(memory['cache_per_token'] * limit)} for all of it" if limit else ""
    return {
        "architecture": f"{sizes['architecture']}, {sizes['blocks']} blocks, width {sizes['width']}",
        "parameters": f"{sizes['parameters']:,}",
        "memory": f"{_size(memory['weights'])} of weights as {sizes['dtype']}; {cache}{whole}",
        "context": f"{limit:,} tokens" if limit else "no limit",
        "vocabulary": _vocabulary(words),
        "start token": f"{special['start'] or 'none'}, {'written' if special['start_written'] else 'not written'} before a text",
        "end tokens": f"{', '.join(special['end']) or 'none'}{'; written behind a text' if special['end_written'] else ''}",
        "padding": special["padding"] or "none",
        **_chat(seen.chat),
    }


def _vocabulary(words: dict[str, Any]) -> str:
    beyond = words["beyond"]
    more = f"; no row for {', '.join(beyond[:SHOWN])}" if beyond else ""
    spare = words["rows"] - words["tokens"]
    return f"{words['tokens']:,} tokens, {words['rows']:,} rows{f', {spare:,} spare' if spare > 0 else ''}{more}"


def _chat(chat: dict[str, Any]) -> dict[str, str]:
    if not chat["template"]:
        return {"chat": "no template: a conversation is read as bare lines"}
    line = chat["own_system_line"]
    system = "takes a system text" if chat["system"] else "refuses a system text"
    return {
        "chat": f"template; {system}{f'; its own where there is none: {line!r}' if line else ''}",
        "before an answer": repr(chat["before_answer"]),
        "thinking": "can be switched on (enable_thinking)" if chat["thinking_switch"] else "no switch",
    }


def _size(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
