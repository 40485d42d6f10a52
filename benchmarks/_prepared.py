"""What is made before a command of a page, and whether it ended as its page says."""

from pathlib import Path

from _documented import BEFORE, SAMPLES, Command
from _lines import Terminal
from _pages import blocks, shows


def missing(words: list[str], place: Path) -> list[str]:
    """Return the names that a command reads, that are not there, and that can be made."""
    if words[0] == "rm":
        return []
    written = {words[4]} if words[1:3] == ["memory", "add"] else {words[-1]} if words[0] == "cp" else set()
    inputs = [
        word for before, word in zip(["", *words], words) if before not in ("-o", "--out") and word not in written
    ]
    names = [name for word in inputs for name in (word, word.rpartition("=")[2], word.rpartition(":")[2])]
    return [name for name in dict.fromkeys(names) if name in BEFORE and not (place / name).exists()]


def prepare(names: list[str], terminal: Terminal) -> None:
    """Make what a line reads."""
    for name in names:
        lines(BEFORE[name], terminal)


def lines(text: str, terminal: Terminal) -> None:
    """Run a line of the tables, after what it reads itself was made."""
    for part in text.split(" && "):
        prepare(missing(part.split(), terminal.folder), terminal)
        ended = terminal.run(part)
        if ended.code:
            raise SystemExit(f"{terminal.folder.name}: what comes before fails: {part}\n{ended.end}")


def amiss(command: Command, code: int, printed: str) -> str:
    """Return in what a command did not end as its page says; "" when it did."""
    if code not in command.ends:
        return f"ends with {code}, not with {' or '.join(map(str, command.ends))}"
    if command.shown is not None and not shows(command.shown, printed):
        return "prints other than the page shows"
    sample, start = SAMPLES.get(command.page, ("", ""))
    if start and command.starts(start):
        stands = {line.strip() for line in printed.splitlines()}
        shown = next(block.text for block in blocks(command.page) if block.printed and block.text.startswith(sample))
        if gone := [line for line in shown.splitlines() if line.strip() not in stands]:
            return f"does not print what the page shows: {gone[0]}"
    return ""
