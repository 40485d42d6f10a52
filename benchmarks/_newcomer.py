"""What somebody does who has Python, git and the README: clone, then paste its blocks one after the other."""

import shutil
import subprocess
from pathlib import Path

from _documented import Command, commands
from _lines import Terminal, environment, install
from _pages import ROOT, blocks
from _prepared import amiss, missing, prepare

README = "README.md"


def revision() -> str:
    """Return the commit that a clone of this tree has."""
    return git("rev-parse", "HEAD").strip()


def git(*words: str) -> str:
    """Return what git says of this tree; ends the program with git's own words where it can not."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the README is pasted into a clone: {done.stderr.strip()}")
    return done.stdout


def pasted() -> list[Command]:
    """Return what is pasted, in its order: the commands of shells, and blocks of Python as one each."""
    code = [
        Command(README, block.line, f"python - <<'END'\n{block.text}END")
        for block in blocks(README)
        if block.language == "python"
    ]
    return sorted([*commands(README), *code], key=lambda command: command.line)


def paste(place: Path, left_out: dict[str, str]) -> int:
    """Clone into an empty folder, paste all blocks in order and say how each line ended; returns how many failed.

    The clone is given an environment in which all is installed already. What is left out is said with its reason, and so are
    the names in capitals that were made because they stand for files of the reader's own.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    git("clone", "--quiet", str(ROOT), str(place / "clone"))
    if changed := git("status", "--porcelain", "--untracked-files=no"):
        print(
            f"the clone is of {revision()}, without {len(changed.splitlines())} files that are changed and not committed"
        )
    install(place / "clone")
    terminal = Terminal(place / "clone", environment(place / "clone", activated=False))
    counts = {"as documented": 0, "otherwise": 0, "left out": 0, "made before": 0}
    try:
        for command in pasted():
            name = command.text.splitlines()[0] if command.text.startswith("python -") else command.plain
            if why := command.why(left_out):
                counts["left out"] += 1
                print(f"left out, for it {why}: {name}", flush=True)
                continue
            made = [word for word in placeholders(command) if word in missing(command.words, terminal.folder)]
            prepare(made, terminal)
            counts["made before"] += len(made)
            for word in made:
                print(f"made before, for it is the reader's own: {word}", flush=True)
            ended = terminal.run(command.text)
            wrong = amiss(command, ended)
            counts["otherwise" if wrong else "as documented"] += 1
            print(f"exit code {ended.code}, {ended.processor:.1f} s of a processor: {name}", flush=True)
            if wrong:
                print(f"    {wrong}\n    " + "\n    ".join(ended.end.strip().splitlines()[-12:]), flush=True)
    finally:
        terminal.stop()
    print(f"{README}: " + ", ".join(f"{count} {what}" for what, count in counts.items()), flush=True)
    return counts["otherwise"]


def placeholders(command: Command) -> list[str]:
    """Return the names in capitals that a command gives: files of the reader's own. No others are made for a newcomer."""
    return [] if command.text.startswith("python -") else [word for word in command.words if word.isupper()]
