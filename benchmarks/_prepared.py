"""What is made before a command of a page, and whether it ended as its page says."""

from pathlib import Path

from _documented import BEFORE, SAMPLES, Command
from _lines import Ended, Terminal
from _pages import ANY, blocks, shows


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


def amiss(command: Command, ended: Ended) -> str:
    """Return in what a command did not end as its page says; "" when it did."""
    if ended.code not in command.ends:
        return f"ends with {ended.code}, not with {' or '.join(map(str, command.ends))}"
    if command.shown is not None and not shows(command.shown, ended.out, ended.err):
        return "prints other than the page shows"
    return unprinted(command, ended.out)


def _among(line: str, printed: set[str]) -> bool:
    """Return whether a line was printed, or one that begins like it where the page cuts it short."""
    return line in printed or (line.endswith(ANY) and any(one.startswith(line[: -len(ANY)].strip()) for one in printed))


def unprinted(command: Command, out: str) -> str:
    """Return what of a sample that stands elsewhere on the page a command does not print; "" for nothing, or no sample."""
    beginning, start = SAMPLES.get(command.page, ("", ""))
    if not start or not command.starts(start):
        return ""
    lines = {line.strip() for line in out.splitlines()}
    sample = next(block.text for block in blocks(command.page) if block.printed and block.text.startswith(beginning))
    missing_lines = [line for line in sample.splitlines() if not _among(line.strip(), lines)]
    return f"does not print what the page shows: {missing_lines[0]}" if missing_lines else ""
