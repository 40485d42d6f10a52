"""Every shell command of README and docs, run as it stands: make docs-run.

The README is pasted block by block into a fresh clone. Each other page has a folder that looks like a clone, in which its
commands run one after the other. The journal says how each ended; given again, what ended well is not run again.
"""

import argparse
import json
import time
from pathlib import Path

from _common import entries
from _documented import AGAIN, ELSEWHERE, MINUTES, Command, commands
from _lines import Terminal, environment, install
from _newcomer import README, paste, revision
from _pages import PAGES, ROOT
from _prepared import amiss, lines, missing, prepare

LINKED = ("examples", "docs", "tests", "benchmarks", "src", "Makefile", "pyproject.toml", "constraints.txt")


class Pages:
    """Runs the commands of pages, each page in its own folder below a place."""

    def __init__(self, place: Path, journal: Path, left_out: dict[str, str]) -> None:
        self.place, self.journal, self.left_out = place, journal, left_out
        self.ended = {(entry["page"], entry["text"]) for entry in entries(journal) if entry["well"]}

    def folder(self, page: str) -> Path:
        """Return the folder of a page, made to look like a clone in which everything is installed."""
        folder = self.place / page.removesuffix(".md").replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for name in LINKED:
            if not (folder / name).exists():
                (folder / name).symlink_to(ROOT / name)
        install(folder)
        return folder

    def run(self, page: str) -> int:
        """Run a page; returns how many commands failed."""
        left = [line for line in commands(page) if not line.why(self.left_out) and (page, line.text) not in self.ended]
        if not left:
            return 0
        if page == README:
            return self.readme()
        folder, failed = self.folder(page), 0
        terminal = Terminal(folder, environment(ROOT))
        try:
            for command in left:
                failed += not self.command(command, terminal)
        finally:
            terminal.stop()
        return failed

    def command(self, command: Command, terminal: Terminal) -> bool:
        """Run one command, after what it reads was made; returns whether it ended as the page says."""
        prepare(missing(command.words, terminal.folder), terminal)
        if before := command.why(AGAIN):
            lines(before, terminal)
        start = time.perf_counter()
        ended = terminal.run(command.text)
        wrong = amiss(command, ended)
        entry = {
            "page": command.page,
            "line": command.line,
            "text": command.text,
            "code": ended.code,
            "well": not wrong,
            "wrong": wrong,
            "seconds": round(time.perf_counter() - start, 1),
            "processor": round(ended.processor, 1),
            "said": ended.end,
        }
        self.note(entry)
        print(f"{ended.code:3} {ended.processor:6.1f} s of a processor  {command.page}:{command.line}  {command.plain}"
              + (f"  {wrong}" if wrong else ""), flush=True)  # fmt: skip
        return not wrong

    def note(self, entry: dict) -> None:
        """Write an entry into the journal."""
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def readme(self) -> int:
        """Paste the README into a clone, unless that ended well with the same revision; returns how many lines failed."""
        text = f"pasted at {revision()}"
        if (README, text) in self.ended:
            return 0
        failed = paste(self.place / "newcomer", self.left_out)
        self.note({"page": README, "line": 1, "text": text, "code": int(failed > 0), "well": not failed})
        return failed


def main() -> int:
    """Run all pages, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="all by default")
    parser.add_argument("--place", type=Path, default=ROOT / "runs" / "docs-run", help="where the folders of pages are")
    parser.add_argument("--readme", action="store_true", help="the README alone, pasted into a fresh clone")
    parser.add_argument("--short", action="store_true", help="without those that take minutes")
    given = parser.parse_args()
    left_out = ELSEWHERE | (MINUTES if given.short else {})
    given.place.mkdir(parents=True, exist_ok=True)
    pages = Pages(given.place, given.place / "journal.jsonl", left_out)
    failed = sum(pages.run(page) for page in (given.pages or ([README] if given.readme else PAGES)))
    print(f"{failed} commands failed; the journal is {pages.journal}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
