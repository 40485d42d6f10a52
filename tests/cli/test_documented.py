"""A documented command is a tested command: what the shell blocks of README and docs say is run, page by page, as it stands.

What takes long is parsed here and run by `make docs-run`; what can not run here stands in a table with its reason. Both tables
are in benchmarks/_documented.py.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import surface

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import _documented as documented
    from _lines import Ended, environment
    from _prepared import amiss, missing
    from docs_run import LINKED
finally:
    sys.path.remove(str(ROOT / "benchmarks"))

COMMANDS = documented.all_commands()
PAGES = sorted({command.page for command in COMMANDS})
TABLES = ("ELSEWHERE", "MINUTES", "CLONED", "LONG", "AGAIN", "ENDS")
PARSED = documented.MINUTES | documented.CLONED | documented.LONG


class Shelf:
    """What pages read and do not make, made once, and what a command wrote that several pages give."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.written: dict[tuple, tuple[Path, Ended]] = {}  # command, without its -o -> what it wrote, and how it ended
        for name in LINKED:
            (place / name).symlink_to(ROOT / name)

    def take(self, name: str, folder: Path, command) -> None:
        """Put what a page reads into its folder."""
        self.make(name, command)
        copy(self.place / name, folder / name)

    def make(self, name: str, command) -> None:
        if not (self.place / name).exists():
            self.line(documented.BEFORE[name], self.place, command)

    def line(self, text: str, folder: Path, command) -> None:
        """Run a line of the tables."""
        for part in text.split(" && "):
            words = shlex.split(part)
            for name in missing(words, folder):
                self.take(name, folder, command) if folder != self.place else self.make(name, command)
            if words[0] == "suture":
                done = command(*words[1:], cwd=folder)
                assert done.returncode == 0, f"{part}: {done.stderr}"
            else:
                subprocess.run(["bash", "-c", part], cwd=folder, env=environment(ROOT), check=True)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """What looks like a clone."""
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_one_after_the_other(page, folder, command, shelf):
    left_out: set[str] = set()  # what commands that are only parsed would have written
    for line in documented.commands(page):
        if line.why(documented.ELSEWHERE):
            continue
        if line.why(PARSED) or left_out.intersection(line.words):
            understood(line)
            left_out |= written(line) - {*documented.BEFORE}
            continue
        key = tuple(word for word in line.words if word not in written(line))
        place, ended = shelf.written.get(key, (None, None))
        if place and (not line.shown or written(line) == {place.name}):  # what is printed names the file
            for name in written(line):
                copy(place, folder / name)
        else:
            ended = run(line, folder, command, shelf)
            if line.words[1] in ("edit", "fact", "facts", "probe", "locate") and len(written(line)) == 1:
                shelf.written[key] = folder / min(written(line)), ended
        wrong = amiss(line, ended)
        assert not wrong, f"{page}, line {line.line}: {line.text} {wrong}\n{ended.out[-800:]}{ended.err}"
        gone = [name for name in written(line) if line.words[1] != "plan" and not (folder / name).exists()]
        assert not gone, f"{page}, line {line.line} writes no {gone}"


def run(line, folder: Path, command, shelf: Shelf) -> Ended:
    for name in missing(line.words, folder):
        shelf.take(name, folder, command)
    if before := line.why(documented.AGAIN):
        shelf.line(before, folder, command)
    done = command(*line.words[1:], cwd=folder, stdin=documented.SAID)
    return Ended(done.returncode, done.stdout, done.stderr)


def written(line) -> set[str]:
    return {word for before, word in zip(line.words, line.words[1:]) if before == "-o"}


def understood(line) -> None:
    """A command that is not run names what there is, with values of the right kind."""
    if line.words[0] == "suture":
        assert parsed(line.words) is not None
    elif line.words[0] == "python":
        script = line.words[1:3] if line.words[1] == "-m" else line.words[1:2]
        told = subprocess.run([sys.executable, *script, "--help"], cwd=ROOT, env=environment(ROOT),
                              capture_output=True, text=True, check=True).stdout  # fmt: skip
        assert not [word for word in line.words if word.startswith("--") and word not in told]


def parsed(words: list[str]) -> dict[str, object]:
    """The values that a command line gives, read by the command line's own parser."""
    name, rest, parent, command = "suture", words[1:], None, dict(surface.walked())[()]
    while True:
        context = command.make_context(name, list(rest), parent=parent)
        if not hasattr(command, "list_commands"):
            return context.params
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        parent = context


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_name_only_what_pages_say(table):
    starts = [start for start in getattr(documented, table) if not any(line.starts(start) for line in COMMANDS)]
    assert not starts, f"{table} of benchmarks/_documented.py names what no page has"


def test_what_is_made_before_is_read_by_a_command():
    readers = [line.words for line in COMMANDS] + [
        shlex.split(text) for text in [*documented.BEFORE.values(), *documented.AGAIN.values()]
    ]
    read = {name for words in readers for name in missing(words, Path("none"))}
    assert set(documented.BEFORE) == read


def test_a_shell_gives_suture_the_words_that_stand_there():
    """`--toward positive|negative` would be two commands."""
    odd = [line.text for line in COMMANDS if line.words[0] == "suture" and shlex_punctuated(line)]
    assert not odd


def shlex_punctuated(line) -> set[str]:
    lexer = shlex.shlex(line.text.replace("\\\n", " "), posix=True, punctuation_chars="|<>;&")
    lexer.whitespace_split = True
    return {sign for word in lexer for sign in word if set(word) <= {*"|<>;&"}}


def test_commands_of_every_kind_are_really_run():
    ran = [line for line in COMMANDS if not line.why(documented.ELSEWHERE | PARSED)]
    assert len(ran) > 0.4 * len(COMMANDS)
    assert {"apply", "verify", "revert", "diff", "combine", "fsck", "edit", "fact", "memory", "show",
            "chat", "export", "plan", "probe"} <= {line.words[1] for line in ran}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("suture detox", "Missing parameter"),
        ("suture eval patient --size many", "valid integer"),
        ("suture attitude patient --toward up", "up"),
        ("suture eval", "Missing parameter"),
        ("suture serve patient --port x", "valid integer"),
        ("suture protect patient --share much", "valid number"),
        ("suture edit surgery patient --rows few", "valid number"),
        ("suture apply", "Missing parameter"),
        ("suture nothing", "nothing"),
        ("suture eval patient --nothing", "--nothing"),
    ],
)
def test_parsing_sees_what_is_wrong(line, wrong):
    with pytest.raises(Exception, match=re.escape(wrong)) as seen:
        parsed(line.split())
    assert hasattr(seen.value, "exit_code")  # the parser's own kind of error


def test_files_of_the_examples_are_named():
    """Whoever looks for a file that a page names finds where it is from; nothing lies there that nobody names."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    unnamed = [file.name for file in (ROOT / "examples").iterdir() if f"examples/{file.name}" not in text]
    assert not unnamed
