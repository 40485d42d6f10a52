"""The errors of suture are caught as what they are, also by who knows only Python's; and no parser takes one for its own."""

import ast
import inspect

import pytest

from rooms import FILES, SOURCE
from suture import errors
from suture.cli._settings import settings_of
from suture.data.bundled import behaviour
from suture.data.examples import Behaviour, Fact, Texts
from suture.data.lessons import Instruction
from suture.errors import DataError, MissingFile, SutureError, UsageError
from suture.export import card
from suture.io import tensorfile
from suture.io.files import read_text, write_bytes
from suture.io.system import reported
from suture.measure.suites import ripples
from suture.patch.patch import Patch
from suture.registry import get
from suture.sequential.state import Check

ALSO = {
    "SutureError": Exception,
    "UsageError": ValueError,
    "DataError": ValueError,
    "MissingFile": FileNotFoundError,
    "UnsupportedModel": ValueError,
    "NoEffect": Exception,
    "VerificationFailed": Exception,
    "PatchMismatch": ValueError,
    "CorruptFile": ValueError,
    "ResourceError": RuntimeError,
    "Interrupted": Exception,
}
CLASSES = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass)}
STANDARD = {"ValueError", "RuntimeError", "OSError", "FileNotFoundError"}
HARMLESS = {  # of ours, called where a standard exception is caught: they raise none of suture's
    "Observation", "Point", "Probe", "Score", "Site", "Span", "_check", "_create", "_lock", "_mark", "_quiet", "_unpacked",
    "key_file", "parsed", "quiet", "read_entry", "read_provenance", "read_stamp", "tensorfile.parsed",
}  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_says_what_why_and_fix_and_is_also_a_standard_one(name):
    with pytest.raises(ALSO[name]) as caught:
        raise CLASSES[name]("what", why="why", fix="fix")
    problem = caught.value
    assert isinstance(problem, SutureError)
    assert str(problem) == "what\nwhy\nfix"
    assert (problem.what, problem.why, problem.fix) == ("what", "why", "fix")
    assert problem.exit_code in (1, 2, 3, 4, 5, 6, 130)
    assert not isinstance(problem, OSError) or (problem.errno, problem.filename) == (None, None)


def test_a_standard_exception_is_said_for_every_class():
    assert CLASSES.keys() == ALSO.keys()


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: Fact.load(path), lambda path: Behaviour.load(f"{path}.csv"), lambda path: Texts.load(path),
        lambda path: Instruction.load(f"{path}.jsonl"), lambda path: Patch.load(path), lambda path: read_text(path),
        lambda path: get("method", f"{path}.py"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_there_is_python_s_error_too(ask, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        ask(tmp_path / "nothing")
    assert isinstance(caught.value, UsageError)
    assert caught.value.exit_code == 2


def test_what_can_not_be_is_a_value_error():
    with pytest.raises(ValueError, match="no bundled behaviour"):
        behaviour("kindness")


def test_what_was_said_is_not_said_again(tmp_path):
    with pytest.raises(MissingFile) as caught, reported("around"):
        read_text(tmp_path / "nothing")
    assert caught.value.what.startswith("can not read")
    with pytest.raises(MissingFile):
        tensorfile.metadata_of(tmp_path / "nothing")
    write_bytes(tmp_path / "file", b"x")
    with pytest.raises(UsageError) as refused:
        write_bytes(tmp_path / "file" / "below", b"x")
    assert not isinstance(refused.value, DataError)


@pytest.mark.parametrize(
    ("read", "content", "said"),
    [
        (card.read_report, None, "can not read"),
        (card.check, "---\na: 1\na: 2\n---\n", "stands twice"),
        (Check.load, None, "can not read"),
        (ripples.load_ripples, '{"id": 1}', "no tests of an edit"),
        (lambda path: settings_of("grace", get("method", "grace"), [f"previous={path}"]), None, "can not read"),
    ],
)
def test_what_a_reader_complains_of_is_said_as_it_is(read, content, said, tmp_path):
    if content is not None:
        (tmp_path / "file.json").write_text(content)
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "file.json")
    assert said in caught.value.what


def _caught(handler):
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {kind.id for kind in kinds if isinstance(kind, ast.Name)}


def _called(node):
    """The functions that are called by their name, or by a module's and theirs."""
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return {ast.unparse(func) for func in calls}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_parser_takes_an_error_of_suture_for_its_own(path):
    """What is called in a `try` that catches a standard exception is not ours, unless a `SutureError` goes by first."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names}  # fmt: skip
    ours |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for block in ast.walk(tree):
        if isinstance(block, ast.Try):
            for handler in block.handlers:
                kinds = _caught(handler) if handler.type else set()
                if kinds & {*CLASSES, "Exception", "BaseException"}:  # meant
                    break
                if kinds & STANDARD:
                    called = set().union(*map(_called, block.body))
                    inside = {name for name in called if name.partition(".")[0] in ours}
                    assert inside <= HARMLESS, f"{path.name}:{handler.lineno}: {inside}"
