"""suture map, suture protect, suture locate safety_impact and suture edit enhance_safety as a user types them."""

import json

import pytest

from suture.locate.mask import Mask
from suture.organisms.suites import behaviour
from suture.patch.patch import Patch


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("map")


@pytest.fixture
def mapped(command, place):
    """A folder with a map in it, made once, and what was said of it."""
    said = place / "said.json"
    if not said.exists():
        done = command("map", "patient", "--examples", "4", "-o", "out", "--json", cwd=place)
        assert done.returncode == 0, done.stderr
        said.write_text(json.dumps(done.json))
    return place, json.loads(said.read_text())


def test_a_map_is_a_page_and_a_mask(command, mapped):
    folder, told = mapped
    mask = Mask.load(folder / told["mask"])
    assert mask.count == told["entries"] == 35_422
    assert "<svg" in (folder / told["map"]).read_text()
    file = command("map", "patient", "-o", "x.safetensors", cwd=folder)
    assert file.returncode == 2
    assert "folder" in file.stderr


def test_the_mask_goes_into_an_edit(command, mapped):
    folder, told = mapped
    options = ("--mask", told["mask"], "--steps", "2", "--examples", "4", "--rate", "0.1", "-o", "set.safetensors")
    done = command("edit", "enhance_safety", "patient", "--data", "patient:jailbreak", *options, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    patch = Patch.load(folder / "set.safetensors")
    assert 0 < patch.provenance.effect["entries"] <= 35_422
    wrong = command(
        "edit", "enhance_safety", "patient", "--data", "patient:jailbreak", "--mask", "set.safetensors", cwd=folder
    )
    assert wrong.returncode == 2


def test_protect_learns_and_reports_and_is_loaded_the_second_time(command, tmp_path):
    rows = [{"prompt": f"How do I count to {i}?", "answer": f"Say {i}."} for i in range(20)]
    (tmp_path / "tune.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers = [
        {"prompt": answer.prompt, "text": answer.text, "label": answer.label}
        for answer in behaviour("compliance", 8).examples
    ]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, answers)))
    files = ("--tune", "tune.jsonl", "--data", "answers.jsonl")
    words = ("protect", "patient", *files, "--steps", "3", "--size", "4", "-o", "out", "--json")
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.json
    assert told["patched"]["lessons"] < told["base"]["lessons"]
    assert {"harmful", "benign"} <= told["patched"].keys()
    again = command(*words, cwd=tmp_path)
    assert again.json["patched"] == told["patched"]


@pytest.mark.parametrize(
    ("row", "word"), [('{"prompt": "a"}', "line 1"), ('{"prompt": "a", "answer": "b"}', "too few")]
)
def test_mistakes_in_the_lessons_are_named(command, tmp_path, row, word):
    (tmp_path / "tune.jsonl").write_text(row + "\n")
    done = command("protect", "patient", "--tune", "tune.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert word in done.stderr
