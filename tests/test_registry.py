import inspect
import subprocess
import sys
import types
import typing
from typing import Annotated, Literal

import pytest
from typing_extensions import TypedDict, Unpack

from suture import registry
from suture.errors import UsageError
from suture.organisms import FOLDERS


def test_methods_and_locators_are_found_by_file_name():
    assert "surgery" in registry.names("method")
    assert "probe_rows" in registry.names("locator")
    assert all(callable(registry.get("method", name)) for name in registry.names("method"))


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(UsageError, match='Did you mean "surgery"'):
        registry.get("method", "surgeri")


def test_a_method_from_a_file_needs_no_list(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text('"""Mine."""\nfrom suture import method\n@method\ndef mine(lm, examples, *, seed: int = 0): ...\n')
    assert registry.get("method", str(file)).__name__ == "mine"
    file.write_text("def other(lm): ...\n")
    with pytest.raises(UsageError, match="has no function mine"):
        registry.get("method", str(file))
    with pytest.raises(UsageError, match="no file"):
        registry.get("method", str(tmp_path / "none.py"))


def test_the_first_argument_must_be_the_model():
    with pytest.raises(TypeError, match="first argument"):
        registry.method(lambda model: None)


def test_the_summary_of_a_method_is_read_without_importing_it():
    code = "import sys; from suture import registry; print(registry.about('method', 'surgery'), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    summary, _, imported = done.stdout.strip().rpartition(" ")
    assert imported == "False"
    assert summary == registry.summary(registry.get("method", "surgery"))


@pytest.mark.parametrize("content", ["def broken(lm:\n", "raise RuntimeError('at import')\n", "import not_a_module\n"])
def test_a_file_that_does_not_run_is_said(tmp_path, content):
    (tmp_path / "broken.py").write_text(content)
    with pytest.raises(UsageError, match=r"broken\.py does not run"):
        registry.get("method", str(tmp_path / "broken.py"))


class Pace(TypedDict, total=False):
    """How fast.

    Attributes:
        steps: how many,
            at most.
    """

    steps: Annotated[int, 3]


class Shared(Pace, total=False):
    """What some methods share.

    Attributes:
        keep: what stays.
    """

    keep: Annotated[str | None, None]


@registry.method
def mine(lm, facts, *, layer: int = 1, **shared: Unpack[Shared]):
    """Make it.

    Args:
        lm: the model.
        facts: what to write.
        layer: where.
        shared: see `Shared`.

    Raises:
        ValueError: never.
    """
    return shared, registry.settings()


def test_shared_settings_are_keywords_of_each_method():
    assert str(inspect.signature(mine)) == "(lm, facts, *, layer: int = 1, steps: int = 3, keep: str | None = None)"
    assert typing.get_type_hints(mine) == {"layer": int, "steps": int, "keep": str | None}
    assert mine(None, [], steps=4) == ({"steps": 4, "keep": None}, {"layer": 1, "steps": 4, "keep": None})
    with pytest.raises(TypeError, match="unexpected keyword argument 'step'"):
        mine(None, [], step=4)


def test_shared_settings_are_documented_where_they_are_taken():
    told = "    layer: where.\n    steps: how many,\n        at most.\n    keep: what stays.\n\nRaises:\n"
    assert told in inspect.getdoc(mine)


def test_models_of_other_packages_are_known_by_name(monkeypatch, tmp_path):
    point = types.SimpleNamespace(name="theirs", load=lambda: {"theirs": tmp_path})
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "suture.models" else [])
    assert registry.models() == {**FOLDERS, "theirs": tmp_path}


def test_a_word_that_is_no_choice_is_refused_from_python_too():
    @registry.method
    def mine(lm, *, toward: Literal["wanted", "unwanted"] = "wanted", parity: Literal["paper"] | None = None):
        return registry.settings()

    assert mine(None, toward="unwanted") == {"toward": "unwanted", "parity": None}
    assert mine(None, parity="paper")["parity"] == "paper"
    with pytest.raises(UsageError, match="toward is not 'wantd'") as caught:
        mine(None, toward="wantd")
    assert "'wanted', 'unwanted'" in caught.value.fix
    with pytest.raises(UsageError, match="parity is not 7"):
        mine(None, parity=7)
