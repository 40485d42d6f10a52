"""Every shell command of README and docs, run as it stands: make docs-run.

Each page has a folder that looks like a clone and in which its commands run one after the other. The journal says how each
ended; given again, what ended well is not run again. `--readme` pastes the README's blocks into an empty folder instead.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from _documented import AGAIN, BEFORE, ELSEWHERE, MINUTES, PAGES, ROOT, SAID, Command, commands

LINKED = ("examples", "docs", "tests", "benchmarks", "src", "Makefile", "pyproject.toml", "constraints.txt")
TOLD = 1500  # characters of what a command said that the journal keeps
ADDRESS = "http://127.0.0.1:8000/v1/models"


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


class Pages:
    """Runs the commands of pages, each page in its own folder below a place."""

    def __init__(self, place: Path, journal: Path, left_out: dict[str, str]) -> None:
        self.place, self.journal, self.left_out = place, journal, left_out
        self.served: subprocess.Popen | None = None
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
        self.ended = {(entry["page"], entry["text"]) for entry in map(json.loads, lines) if entry["well"]}

    def folder(self, page: str) -> Path:
        """Return the folder of a page, made to look like a clone."""
        folder = self.place / page.removesuffix(".md").replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for name in LINKED:
            if not (folder / name).exists():
                (folder / name).symlink_to(ROOT / name)
        return folder

    def shell(self, text: str, folder: Path) -> tuple[int, str]:
        """Run a line and return its exit code and the end of what it said."""
        done = subprocess.run(
            ["bash", "-c", text], cwd=folder, env=environment(), input=SAID, capture_output=True, text=True, check=False
        )
        return done.returncode, (done.stdout + done.stderr)[-TOLD:]

    def prepare(self, text: str, folder: Path) -> None:
        """Make what a line reads."""
        for part in text.split(" && "):
            for name in missing(part.split(), folder):
                self.prepare(BEFORE[name], folder)
            if (ended := self.shell(part, folder))[0]:
                raise SystemExit(f"{folder.name}: what comes before fails: {part}\n{ended[1]}")

    def run(self, page: str) -> int:
        """Run a page; returns how many commands failed."""
        folder, failed = self.folder(page), 0
        for command in commands(page):
            if command.why(self.left_out) or (page, command.text) in self.ended:
                continue
            for name in missing(command.words, folder):
                self.prepare(BEFORE[name], folder)
            if before := command.why(AGAIN):
                self.prepare(before, folder)
            start, used = time.perf_counter(), processor()
            serving = command.text.startswith("suture serve")
            code, said = self.serve(command, folder) if serving else self.shell(planned(command.text, folder), folder)
            if command.words[0] == "curl" and '"error"' in said:  # curl itself ends well
                code = 1
            failed += code not in command.ends
            entry = {
                "page": page,
                "line": command.line,
                "text": command.text,
                "code": code,
                "well": code in command.ends,
                "seconds": round(time.perf_counter() - start, 1),
                "processor": round(processor() - used, 1),
                "said": said,
            }
            with self.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            plain = " ".join(command.text.split())
            print(f"{code:3} {entry['processor']:6} s of a processor  {page}:{command.line}  {plain}", flush=True)
        self.stop()
        return failed

    def serve(self, command: Command, folder: Path) -> tuple[int, str]:
        """Start a server that later lines of the page ask; returns 0 when it answers."""
        self.stop()
        said = folder / "served.txt"
        with said.open("w") as file:
            self.served = subprocess.Popen(
                ["bash", "-c", f"exec {command.text}"], cwd=folder, env=environment(), stdout=file, stderr=file
            )
        while self.served.poll() is None:
            try:
                urllib.request.urlopen(ADDRESS, timeout=10).close()
                return 0, said.read_text()[-TOLD:]
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        return self.served.returncode or 1, said.read_text()[-TOLD:]

    def stop(self) -> None:
        """End the server of the last line."""
        if self.served and self.served.poll() is None:
            self.served.terminate()
            self.served.wait(60)
        self.served = None


def processor() -> float:
    """Return the seconds of processor time of the commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def environment() -> dict[str, str]:
    """Return variables with which `suture` and `python` are those of this tree."""
    own = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "COLUMNS": "140",
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("MAKE")} | own


def planned(text: str, folder: Path) -> str:
    """Return the line itself; of `make TARGET` what make would run, without installing a second environment."""
    if not text.startswith("make "):
        return text
    target = text.partition("#")[0].split()
    done = subprocess.run([*target, "-n"], cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(".venv/bin/") and "pip install" not in line]
    return "\n".join(lines).replace(".venv/bin/", "")


def pasted(place: Path, left_out: dict[str, str]) -> int:
    """Paste the README's shell blocks in order into an empty folder, and say how each command ended."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for command in commands("README.md"):
        why = command.why(left_out) or ("waits for requests" if command.text.startswith("suture serve") else None)
        code = subprocess.run(
            ["bash", "-c", command.text], cwd=place, env=environment(), input=SAID, capture_output=True, text=True,
            check=False,
        ) if not why else None  # fmt: skip
        how = f"not run: {why}" if code is None else f"exit code {code.returncode}"
        print(f"{how:14} {' '.join(command.text.split())}", flush=True)
        if code is not None and code.returncode:
            print("    " + "\n    ".join(code.stderr.strip().splitlines()[-4:]), flush=True)
    return 0


def main() -> int:
    """Run all pages, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", default=PAGES, help="all by default")
    parser.add_argument("--place", type=Path, default=ROOT / "runs" / "docs-run", help="where the folders of pages are")
    parser.add_argument("--readme", action="store_true", help="the README alone, into an empty folder")
    parser.add_argument("--short", action="store_true", help="without those that take minutes")
    told = parser.parse_args()
    left_out = ELSEWHERE | (MINUTES if told.short else {})
    if told.readme:
        return pasted(told.place / "empty", left_out)
    told.place.mkdir(parents=True, exist_ok=True)
    pages = Pages(told.place, told.place / "journal.jsonl", left_out)
    try:
        failed = sum([pages.run(page) for page in told.pages])
    finally:
        pages.stop()
    print(f"{failed} commands failed; the journal is {pages.journal}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
