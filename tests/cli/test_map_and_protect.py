"""suture map, suture protect, suture locate safety_impact and suture edit enhance_safety as a user types them."""

import json

import pytest

from cli.test_cli import suture
from suture.locate.mask import Mask
from suture.patch.patch import Patch


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    done = suture("map", "patient", "--examples", "4", "-o", "out", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_a_map_is_a_page_and_a_mask(mapped):
    folder, told = mapped
    mask = Mask.load(folder / told["mask"])
    assert mask.count == told["entries"] == 35_422
    assert "<svg" in (folder / told["map"]).read_text()
    file = suture("map", "patient", "-o", "x.safetensors", cwd=folder)
    assert file.returncode == 2
    assert "folder" in file.stderr


def test_the_mask_goes_into_an_edit(mapped):
    folder, told = mapped
    options = ("--mask", told["mask"], "--steps", "2", "--examples", "4", "--rate", "0.1", "-o", "set.safetensors")
    done = suture("edit", "enhance_safety", "patient", "--data", "patient:jailbreak", *options, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    patch = Patch.load(folder / "set.safetensors")
    assert 0 < patch.provenance.effect["entries"] <= 35_422
    wrong = suture(
        "edit", "enhance_safety", "patient", "--data", "patient:jailbreak", "--mask", "set.safetensors", cwd=folder
    )
    assert wrong.returncode == 2


def test_protect_learns_and_reports_and_is_loaded_the_second_time(tmp_path):
    rows = [{"prompt": f"How do I count to {i}?", "answer": f"Say {i}."} for i in range(20)]
    (tmp_path / "tune.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ("protect", "patient", "--tune", "tune.jsonl", "--steps", "3", "--size", "4", "-o", "out", "--json")
    done = suture(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["patched"]["lessons"] < told["base"]["lessons"]
    assert {"harmful", "benign"} <= told["patched"].keys()
    again = suture(*words, cwd=tmp_path)
    assert json.loads(again.stdout.splitlines()[-1])["patched"] == told["patched"]


@pytest.mark.parametrize(
    ("row", "word"), [('{"prompt": "a"}', "line 1"), ('{"prompt": "a", "answer": "b"}', "too few")]
)
def test_mistakes_in_the_lessons_are_named(tmp_path, row, word):
    (tmp_path / "tune.jsonl").write_text(row + "\n")
    done = suture("protect", "patient", "--tune", "tune.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert word in done.stderr
