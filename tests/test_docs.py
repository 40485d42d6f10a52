"""What the documents say can be typed: Python blocks run, command lines name verbs and options that exist."""

import ast
import gzip
import hashlib
import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import yaml

import rooms
import surface
from suture import registry

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted(file for folder in ("src", "benchmarks", "examples") for file in (ROOT / folder).rglob("*.py"))
TREE = dict(surface.walked())
VERBS = {words[0] for words in TREE if words}
ENDED = r"\bsuture [a-z]+(?:(?!\. |[`;()\n]|\.$|, or |: ).)*"  # to the end of a sentence


def blocks(language: str) -> dict[str, list[str]]:
    found = {called(page): re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL) for page in PAGES}
    return {page: texts for page, texts in found.items() if texts}


def called(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def commands() -> list[tuple[str, str]]:
    """Every command line that a page, a docstring or a text of the sources gives: the file, and the line.

    In pages: lines of any block that begin with it, and what stands in backticks, also across a line's end. In sources: every
    text, also those of messages; what is filled in is X. A command ends with its sentence.
    """
    lines = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
            joined = block.replace("\\\n", " ")
            lines += [(called(page), line.strip().removeprefix("$ ")) for line in joined.splitlines()
                      if line.strip().startswith(("suture ", "$ suture "))]  # fmt: skip
        outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        lines += [(called(page), " ".join(line.split())) for line in re.findall(r"`(suture\s[^`]+)`", outside)]
    for file in SOURCES:
        where = str(file.relative_to(ROOT))
        for text in texts(file):
            quoted = re.findall(r"`(suture [^`]+)`", text)
            plain = re.findall(ENDED, re.sub(r"`[^`]*`", "", text))
            lines += [
                (where, " ".join(line.split()))
                for line in [*quoted, *plain]
                if line.split()[1] in VERBS or line in quoted
            ]
    return sorted(set(lines))


def texts(file: Path) -> list[str]:
    """Every text in a Python file; what is filled into one is X. Its parts are not told again."""
    found: list[str] = []

    class Texts(ast.NodeVisitor):
        def visit_JoinedStr(self, node):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))

        def visit_Constant(self, node):
            if isinstance(node.value, str):
                found.append(node.value)

    Texts().visit(ast.parse(file.read_text(encoding="utf-8")))
    return [text for text in found if "suture " in text]


@pytest.mark.parametrize("page", blocks("python"))
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "peft" in page or "export" in page:
        pytest.importorskip("peft")
    names: dict[str, object] = {}
    for code in blocks("python")[page]:
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", sorted({page for page, _ in commands()}))
def test_command_lines_name_what_exists(page):
    wrong = [f"{problem} in: {line}" for where, line in commands() if where == page and (problem := mistake(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("suture apply BASE patch.safetensors -o OUT --scale 0.5", ""),
        ("suture edit METHOD MODEL --data DATA --strength 2", ""),
        ("suture edit ./mine.py MODEL --data DATA --anything 2", ""),
        ("suture plan VERB ...", ""),
        ("suture plan patient --tokens 3", ""),
        ("suture detox | harden | attitude MODEL --budget kl=1", ""),
        ("suture aply BASE", "no verb aply"),
        ("suture memory put MODEL", "no verb put"),
        ("suture edit romee MODEL", "no verb romee"),
        ("suture apply BASE --strength 2", "no --strength"),
        ("suture plan apply BASE --scale 2", "no --scale"),
        ("suture eval MODEL -q", "no -q"),
        ("suture edit METHOD MODEL --strenght 2", "no --strenght"),
    ],
)
def test_mistakes_in_command_lines_are_seen(line, said):
    assert mistake(line) == said


def mistake(line: str) -> str:
    """What a command line names that does not exist; "" for nothing. Words in capitals and X stand for anything."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:  # a quotation that goes on behind the piece
        words = line.split()[1:]
    words = [word for word in words if word not in ("...", "\u2026", "\\")]
    command, above = TREE[()], ()
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        name = words[0].strip("[]")
        alone = (*above, name)
        if alone in TREE:
            command, above, words = TREE[alone], alone, words[1:]
        elif above == ("plan",) and not re.fullmatch(r"[A-Z]+", name):
            command = TREE["plan", "model"]
        elif re.fullmatch(r"[A-Z_]+|X|.*\.py|<.*>", name):
            return unknown(
                words[1:], options(*(TREE[each] for each in TREE if each[:-1] == above)), anything=name.endswith(".py")
            )
        else:
            return f"no verb {name}"
    if words and words[0] == "|":  # several verbs, one after the other
        return mistake(" ".join(["suture", *words[1:]]))
    if hasattr(command, "list_commands"):  # `suture edit --data`: an option of any verb below
        return unknown(words, options(*(TREE[each] for each in TREE if each[: len(above)] == above)))
    return unknown(words, options(command))


def options(*commands) -> set[str]:
    return {name for each in commands for p in each.params for name in (*p.opts, *p.secondary_opts)} | {
        "--help",
        "-v",
        "--verbose",
    }


def unknown(words: list[str], known: set[str], *, anything: bool = False) -> str:
    """The first option that is not known, up to a pipe or the next command."""
    for word in words:
        if word in ("|", "&&", ";", "suture"):
            break
        name = re.match(r"\[?(--[a-z][a-z-]*|-[a-z])(?=[]=.,:;)]|$)", word)
        if name and name[1] not in known and not anything:
            return f"no {name[1]}"
    return ""


class Config(yaml.SafeLoader):
    """Reads mkdocs.yml, which names Python functions with a tag of its own."""


Config.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def navigation(part) -> list[str]:
    """The pages that a part of the navigation names."""
    if isinstance(part, str):
        return [part]
    return [page for each in (part.values() if isinstance(part, dict) else part) for page in navigation(each)]


def test_the_navigation_names_every_page_once_and_nothing_else():
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Config)
    assert config["strict"] is True
    there = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.parent != ROOT]
    assert sorted(navigation(config["nav"])) == sorted(there)


def test_every_method_and_every_room_has_a_page():
    pages = {called(page) for page in PAGES}
    assert {f"docs/methods/{method}.md" for method in registry.names("method")} <= pages
    inner = {
        "errors",
        "renamed",
        "calls",
        "registry",
        "numerics",
        "text",
        "io",
        "organisms",
        "cli",
    }  # of no use from outside
    assert {f"docs/api/{room}.md" for room in rooms.ORDER if room not in inner} <= pages


@pytest.mark.parametrize("page", sorted(called(page) for page in PAGES if page.parent.name == "api"))
def test_api_pages_name_every_module_of_their_room_and_only_those(page):
    shown = re.findall(r"^::: suture\.(\S+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert shown
    assert set(shown) <= set(rooms.MODULES)
    room = Path(page).stem
    if room in ("index", "methods"):  # methods have pages of their own
        return
    hidden = {name for name in rooms.MODULES if re.search(r"\._|^data\.bundled\.", name)}
    whole = {name for name in rooms.MODULES if name.startswith(f"{room}.") and names_something(rooms.MODULES[name])}
    missing = sorted(whole - hidden - set(shown))
    assert not missing, f"add to {page}: {'; '.join(f'::: suture.{name}' for name in missing)}"


def names_something(file: Path) -> bool:
    """Whether a file has public functions or classes of its own."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(isinstance(part, ast.FunctionDef | ast.ClassDef) and not part.name.startswith("_") for part in body)


def test_the_map_has_all_rooms_in_their_order():
    drawn = re.search(r"```mermaid\n(.*?)```", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"), re.DOTALL)
    inside = re.findall(r"direction LR\n(.*?)\n|subgraph own\S+ .*?\n(.*?)\n", drawn[1])
    assert re.findall(r"[a-z]+", " ".join(filter(None, sum(inside, ())))) == rooms.ORDER


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_links_lead_to_pages_and_headings_that_exist(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    gone = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = link.partition("#")
        file = page.parent / path if path else page
        if "://" in link or (file.is_file() and (not heading or heading in anchors(file))):
            continue
        gone.append(link)
    assert not gone


@cache
def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_files_of_the_repository_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.])((?:src|tests|docs|examples|benchmarks)/[\w./-]*[\w/])", text)
    assert not [path for path in named if "NAME" not in path and not (ROOT / path).exists()]


def test_the_site_asks_no_other_host(tmp_path):
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "_site" / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    (tmp_path / "good.html").write_text(
        '<a href="https://a.org">a</a><script src="own.js"></script><code>https://b.org</code>'
    )
    assert not hooks.foreign(tmp_path)
    (tmp_path / "script.html").write_text('<script async src="https://a.org/x.js"></script>')
    (tmp_path / "style.html").write_text('<link rel="stylesheet" href="//a.org/x.css">')
    (tmp_path / "font.css").write_text('@font-face { src: url("https://a.org/x.woff2") }')
    (tmp_path / "more.css").write_text('@import "https://a.org/x.css";')
    (tmp_path / "late.js").write_text('load("https://unpkg.com/x.js")')
    assert [line.split(":")[0] for line in hooks.foreign(tmp_path)] == [
        "font.css", "late.js", "more.css", "script.html", "style.html",
    ]  # fmt: skip


def test_what_of_others_goes_into_the_site_is_what_is_written_down():
    folder = ROOT / "docs" / "_site"
    said = re.findall(r"[0-9a-f]{64}", (folder / "THIRD_PARTY.txt").read_text(encoding="utf-8"))
    mermaid = gzip.decompress((folder / "mermaid.tiny.js.gz").read_bytes())
    found = [mermaid, (folder / "iframe-worker.js").read_bytes()]
    assert said == [hashlib.sha256(content).hexdigest() for content in found]
