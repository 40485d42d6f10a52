"""What 0.1 called otherwise is found by its old name, with a warning that says the new one."""

import importlib
import inspect
import subprocess
import sys

import pytest

import suture
from suture import registry
from suture.cli._settings import settings_of
from suture.renamed.modules import CLASSES, MODULES, NAMES, PUBLIC
from suture.renamed.settings import SETTINGS

OFFERED = {f"suture.{room}": names for room, names in NAMES.items()} | {"suture": PUBLIC}
ALL = [(room, name) for room, names in OFFERED.items() for name in names]


@pytest.mark.parametrize("old", MODULES)
def test_a_module_is_found_by_its_old_name(old):
    sys.modules.pop(f"suture.{old}", None)
    new = importlib.import_module(f"suture.{MODULES[old]}")
    spec = new.__spec__
    above = old.rpartition(".")[0]
    if above in MODULES:  # warns of itself
        sys.modules.pop(f"suture.{above}", None)
        with pytest.warns(DeprecationWarning, match=rf"suture\.{above} is now"):
            importlib.import_module(f"suture.{above}")
    with pytest.warns(DeprecationWarning, match=rf"suture\.{old} is now suture\.{MODULES[old]}[,;] .*version 0\.3"):
        found = importlib.import_module(f"suture.{old}")
    assert found is new
    assert new.__spec__ is spec
    for name, own in CLASSES.get(MODULES[old], {}).items():
        assert getattr(found, name) is getattr(found, own)
    assert new.__name__ == f"suture.{MODULES[old]}"


@pytest.mark.parametrize(("room", "name"), ALL, ids=[f"{room}.{name}" for room, name in ALL])
def test_what_a_module_offered_is_found_in_the_room_of_its_name(room, name):
    opened = importlib.import_module(room)
    module, _, own = OFFERED[room][name].rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"{room}\.{name} is now suture\."):
        found = getattr(opened, name)
    assert found is getattr(importlib.import_module(module), own)


def test_the_warning_names_the_line_that_is_to_be_changed(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("import suture.probe\nfrom suture.rounding import nearest\nfrom suture import Contrast\n")
    done = subprocess.run([sys.executable, "-W", "always", script], capture_output=True, text=True, check=True)
    assert "suture.probe is now suture.locate.probe" in done.stderr
    assert "suture.rounding is now suture.numerics.rounding" in done.stderr
    assert f"{script}:3: DeprecationWarning: suture.Contrast is now suture.ResponsePair" in done.stderr


def test_renamed_classes_are_in_modules_with_an_old_name():
    assert CLASSES.keys() <= {*MODULES.values()}


def test_no_old_name_hides_a_public_one():
    assert not {name.partition(".")[0] for name in MODULES} & set(suture.__all__)


def test_what_never_was_is_still_not_found():
    for name in ("suture.nothing", "suture.patch.nothing"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    with pytest.raises(AttributeError):
        suture.patch.nothing  # noqa: B018


def test_reports_are_saved_by_their_old_method(tmp_path):
    report = suture.Report("m", "surgery", {}, {}, [])
    with pytest.warns(DeprecationWarning, match=r"Report\.save is now suture\.report\.page\.save"):
        paths = report.save(tmp_path)
    assert paths["html"].is_file()
    with pytest.warns(DeprecationWarning, match=r"Report\.to_html"):
        assert report.to_html() == paths["html"].read_text()


def test_renamed_settings_are_told_by_their_old_names():
    methods = [registry.get("method", name) for name in registry.names("method")]
    known = {name for method in methods for name in inspect.signature(method).parameters}
    assert {*SETTINGS.values()} <= known
    assert not {*SETTINGS} & known


def test_a_setting_works_by_its_old_name():
    @registry.method
    def mine(lm, facts, *, joint_steps: int = 0, seed: int = 0):
        return registry.settings()

    with pytest.warns(DeprecationWarning, match=r"mine\(settle=\) is now joint_steps=; .* version 0\.3") as told:
        assert mine(None, [], settle=3) == {"joint_steps": 3, "seed": 0}
    assert told[0].filename == __file__
    with pytest.raises(TypeError, match="'settle' and 'joint_steps'"):
        mine(None, [], settle=3, joint_steps=4)


def test_a_method_of_ones_own_keeps_its_settings():
    @registry.method
    def mine(lm, facts, *, hold: float = 1.0, joint_steps: int = 0):
        return registry.settings()

    assert mine(None, [], hold=2.0) == {"hold": 2.0, "joint_steps": 0}


def test_set_knows_an_old_name(capsys):
    found = settings_of("memit", registry.get("method", "memit"), ["settle=3", "kl-joint=2"])
    assert found == {"joint_steps": 3, "kl_joint": 2.0}
    assert "--settle is now --joint-steps" in capsys.readouterr().err
