"""What the name of a model means, and where fetched models lie."""

import logging
import shutil
from pathlib import Path

import pytest

import suture
from suture.errors import UsageError
from suture.goals.forecast import forecast_goal
from suture.goals.plan import plan
from suture.model.lm import LM, PATIENT
from suture.model.load.named import FETCHABLE, kept_folder, model_folder, models_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SUTURE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_is_where_the_user_says_or_the_system_does(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUTURE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert models_folder() == tmp_path / ".cache/suture/models"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert models_folder() == tmp_path / "xdg/suture/models"
    monkeypatch.setenv("SUTURE_CACHE", str(tmp_path / "own"))
    assert models_folder() == tmp_path / "own/models"


@pytest.mark.parametrize("name", FETCHABLE)
def test_a_model_that_was_not_fetched_says_how(name, cache):
    for load in (kept_folder, model_folder, LM.load):
        with pytest.raises(UsageError, match=rf"{name} is not here yet\n.* MB.*\nsuture get {name}$"):
            load(name)


def test_its_name_means_its_folder_and_nothing_else(cache, tmp_path, monkeypatch, caplog):
    folder = FETCHABLE["smollm2"].folder
    assert folder.is_relative_to(cache)
    assert folder.name == "smollm2-0.1.2"
    folder.mkdir(parents=True)
    assert model_folder("smollm2") == folder
    (tmp_path / "smollm2").mkdir()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert model_folder("smollm2") == folder
    assert "the folder of that name here is ./smollm2" in caplog.text
    assert model_folder("./smollm2") != folder


def test_other_names_mean_what_they_say():
    assert model_folder("patient") == PATIENT
    assert kept_folder("owner/model") is None
    assert str(model_folder("owner/model")) == "owner/model"


def test_a_mistyped_name_is_told(cache):
    with pytest.raises(UsageError, match='Did you mean "smollm2"'):
        LM.load("smolm2")


def test_a_goal_on_a_fetched_model_is_forecast_like_any_other(cache):
    shutil.copytree(PATIENT, FETCHABLE["smollm2"].folder)
    sizes = {"trials": 2, "tune": 4, "report": 4, "chat": True}
    fetched, bundled = (forecast_goal(plan(name, measure=False), **sizes) for name in ("smollm2", "patient"))
    assert (fetched.read, fetched.written, fetched.operations) == (bundled.read, bundled.written, bundled.operations)


def test_names_become_folders_in_one_place():
    root = Path(suture.__file__).parent
    texts = {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in root.rglob("*.py")}
    assert not [name for name, text in texts.items() if "BUNDLED.get(" in text or "models().get(" in text]
