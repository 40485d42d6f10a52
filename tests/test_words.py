"""Private words that gave way to the field's are gone from names, help and docs; variables say what they hold; the library
speaks of settings, not options."""

import ast
import io
import re
import tokenize

import pytest

import surface
from rooms import FILES, SOURCE
from suture.cli._wording import MARK, OTHERWISE, in_options

GONE = {
    "operate", "Workshop", "Rivals", "Level", "Surgeon", "Course", "Aim", "Task", "Kernel", "Moving", "Ward", "Pass", "Read",
    "Dose", "Flow", "Speech", "Ticket", "Ask", "Errands", "Contrast", "Lesson", "settle", "insist", "strayed",
}  # fmt: skip
DOCS = [path for path in (SOURCE.parents[1] / "docs").rglob("*.md") if "_site" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_name_is_a_word_that_is_gone(path):
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    assert not GONE & {token.string for token in tokens if token.type == tokenize.NAME}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_no_page_names_one(path):
    code = re.findall(r"```.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL)
    assert not GONE & {word for each in code for word in re.findall(r"\w+", each)}


SAYS_NOTHING = {"found", "each", "own", "told", "asked"}  # of what a variable holds


def variables(source):
    """Every name that a file gives to a value: variables, those of loops and comprehensions, parameters, what is caught."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            yield node.name
        elif isinstance(node, ast.MatchMapping):
            yield node.rest
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_variables_say_what_they_hold(path):
    assert not SAYS_NOTHING & {*variables(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    "code",
    [
        "found = 1", "found: int", "found += 1", "(a, [*found]) = x", "for found in x: pass", "with x as found: pass",
        "async def f():\n    async for found in x: pass", "[1 for found in x]", "{a: 1 for a, found in x}",
        "def f(found): pass", "def f(*found): pass", "def f(*, found=1): pass", "def f(found, /): pass",
        "def f(**found): pass", "lambda found: 1", "(found := 1)", "try: pass\nexcept E as found: pass",
        "match x:\n    case [found, 1]: pass", "match x:\n    case [1, *found]: pass",
        "match x:\n    case {1: 2, **found}: pass", "match x:\n    case C(a=found): pass", "class C:\n    found = 1",
        "def f():\n    global found", "[1 for a in x if (found := a)]",
    ],
)  # fmt: skip
def test_every_way_to_name_a_variable_is_seen(code):
    assert "found" in {*variables(code)}


@pytest.mark.parametrize("code", ["x = found", "x.found = 1", "f(found=1)", "'found'", "x['found'] = found"])
def test_what_others_named_is_no_variable_of_ours(code):
    assert "found" not in {*variables(code)}


OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-o)\b")
COMMAND = re.compile(r"\b(suture|hf|llama-cli|python -m) .*?(?=[;`]|, or |\. |$)")  # whole, to be given as it stands
PROGRAMS = {  # `python -m`, with options of their own
    "judges/agreement.py", "judges/refusal_training.py", "judges/training.py", "organisms/train.py",
}  # fmt: skip
OTHERS = {
    "io/package_index.py": {
        "--dest",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-input",
        "--only-binary",
        "--progress-bar",
    },  # of pip
    "model/load/get.py": {"--no-deps"},  # likewise
    "export/card.py": {"--lora-scaled", "--control-vector-scaled"},  # of llama.cpp
    "runs/run.py": {"--out", "-o"},  # a run is its command, which is read again without where it wrote
}
LIBRARY = [
    path for path in FILES
    if (own := path.relative_to(SOURCE)).parts[0] != "cli" and own.as_posix() not in PROGRAMS
    and own.parts[0] != "report"  # where colours have such names
]  # fmt: skip


def said(path):
    """Every text in a file but docstrings and the words of a command; what is filled into one is X."""
    found = []

    class Said(ast.NodeVisitor):
        def visit_Expr(self, node):
            if not isinstance(node.value, ast.Constant):
                self.generic_visit(node)

        def visit_Call(self, node):
            if not (isinstance(node.func, ast.Name) and node.func.id == "command_line"):
                self.generic_visit(node)

        def visit_JoinedStr(self, node):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    self.visit(part.value)

        def visit_Constant(self, node):
            if isinstance(node.value, str):
                found.append(node.value)

    Said().visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_library_names_no_option(path):
    own = OTHERS.get(path.relative_to(SOURCE).as_posix(), set())
    named = {option for text in said(path) for option in OPTION.findall(COMMAND.sub("", text))}
    assert not named - own


def test_settings_that_errors_name_are_options_where_the_command_line_says_them():
    offered = {
        option for _, command in surface.walked() for p in command.params for option in (*p.opts, *p.secondary_opts)
    }
    marks = {mark[0] for path in LIBRARY for text in said(path) for mark in MARK.finditer(text)}
    told = {mark: in_options(mark) for mark in marks | {"`text=NAME`", "`label=NAME`"}}  # of columns, filled in
    named = {mark: {*OPTION.findall(text)} for mark, text in told.items() if text != mark}
    assert named.keys() >= {f"`{mark}`" for mark in OTHERWISE}
    assert all(options and options <= offered for options in named.values())
    assert not [mark for mark in told.keys() - named.keys() if re.fullmatch(r"`([a-z]\w*(=.*)?|export\.\w+)`", mark)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Give either `out=OUT` or `in_place=True`.", "Give either -o OUT or --in-place."),
        ("Leave `quick` away.", "Leave --quick away."),
        ('`dtype="float32"`, `rank=R`', "--dtype float32, --rank R"),
        (
            "Use `export.gguf_lora`; pip install peft, or `check=False`",
            "Use --to gguf-lora; pip install peft, or --no-check",
        ),
        ("`text=NAME` `lm`", "--text-column NAME --model MODEL"),
        ("a file called `mine`, `a b`, `` and `scale", "a file called `mine`, `a b`, `` and `scale"),
    ],
)
def test_the_command_line_says_settings_as_options(text, told):
    assert in_options(text) == told
