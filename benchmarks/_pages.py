"""What stands in fences on the pages: lines to type, what they print, code."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^([ \t]*)```([\w-]*)\n(.*?)^\1```[ \t]*$\n?", re.MULTILINE | re.DOTALL)
SHELLS = ("bash", "sh", "shell", "console")
ANY = "…"  # in what is shown: any text; on a line of its own: any lines


@dataclass(frozen=True)
class Block:
    """What stands between two fences, and where."""

    page: str
    line: int  # of its first line, from 1
    language: str
    text: str
    follows: bool  # nothing but empty lines is between it and the block before

    @property
    def typed(self) -> bool:
        """Whether it is lines for a shell."""
        return self.language in SHELLS

    @property
    def printed(self) -> bool:
        """Whether it is something that a command printed."""
        return self.language == "text"


def blocks(page: str, text: str | None = None) -> list[Block]:
    """Return the blocks of a page in their order, without the indentation of a list around them."""
    text = (ROOT / page).read_text(encoding="utf-8") if text is None else text
    listed, end = [], None
    for match in FENCE.finditer(text):
        inner = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        follows = end is not None and not text[end : match.start()].strip()
        listed.append(Block(page, text.count("\n", 0, match.start()) + 2, match[2], inner, follows))
        end = match.end()
    return listed


def typed(block: Block) -> list[tuple[int, str]]:
    """Return the commands of a block of shell lines and the lines they stand on; one may go over several lines."""
    listed = []
    begun, start = "", 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        if not begun and (not line.strip() or line.strip().startswith("#")):
            continue
        start = start if begun else number
        begun = f"{begun}\n{line}" if begun else line.strip().removeprefix("$ ")
        if not unfinished(begun):
            listed.append((start, begun))
            begun = ""
    if begun:
        raise ValueError(f"{block.page}, line {start}: a command that does not end: {begun}")
    return listed


def unfinished(text: str) -> bool:
    """Return whether a shell would wait for another line."""
    try:
        shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError:
        return True
    return text.endswith("\\")


def session(block: Block) -> list[tuple[int, str, str]]:
    """Return what a block shows as typed behind `$ `: the line it stands on, the command, and what is printed below it."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    listed, line = [], block.line + parts[0].count("\n")
    for part in parts[1:]:
        command, _, printed = part.partition("\n")
        listed.append((line, command, printed))
        line += part.count("\n")
    return listed


def shows(shown: str, *printed: str) -> bool:
    """Return whether one of some texts is what a page shows. Blanks at ends of lines do not count; `…` stands for any text.

    Args:
        shown: the block of the page; a line that is `…` alone stands for any number of lines.
        printed: what a command wrote into each of its streams; progress, say, goes into another than results.

    Example:
        >>> shows("wrote …, 3 rows\\n", "wrote a.safetensors, 3 rows  \\n")
        True
        >>> shows("…\\nbefore  tuba\\n", "rome: phase 1\\nrome: phase 2\\nbefore  tuba\\n")
        True
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line == ANY else re.escape(line).replace(re.escape(ANY), ".*") + "\n" for line in _plain(shown)
    )
    texts = ("".join(f"{line}\n" for line in _plain(text)) for text in printed)
    return any(re.fullmatch(pattern, text) for text in texts)


def _plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]
