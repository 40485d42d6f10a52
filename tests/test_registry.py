import subprocess
import sys
import types

import pytest

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


def test_models_of_other_packages_are_known_by_name(monkeypatch, tmp_path):
    point = types.SimpleNamespace(name="theirs", load=lambda: {"theirs": tmp_path})
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == "suture.models" else [])
    assert registry.models() == {**FOLDERS, "theirs": tmp_path}
