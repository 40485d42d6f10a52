import json

import pytest

from suture.errors import DataError, Interrupted, NoEffect, ResourceError, UsageError
from suture.io import tensorfile
from suture.runs.run import PATCH, Run, environment, events, listed, new_folder, recipe, without_out

COMMAND = ["probe", "patient", "--data", "tone data.jsonl", "--out", "runs/x"]


class Counted:
    """A stage that counts how often it is made."""

    def __init__(self, text="made"):
        self.text, self.made = text, 0

    def __call__(self):
        self.made += 1
        return self.text


def save(value, path):
    path.write_text(value)


def load(path):
    return f"loaded {path.read_text()}"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs" / "ein Lauf"


def begin(folder, command=COMMAND, settings=None):
    return Run.begin("probe", command, settings or {}, folder)


def test_a_run_records_what_was_asked_and_how_it_ended(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with begin(folder, settings={"rate": 0.5, "name": None, "model": object()}) as run:
        run.event("halfway", loss=0.25)
        run.result = "all well"
    assert recipe(folder)["command"] == COMMAND
    assert recipe(folder)["settings"] == {"rate": 0.5, "name": None}
    stages = [event["stage"] for event in events(folder)]
    assert stages == ["began", "halfway", "finished"]
    assert events(folder)[1]["loss"] == 0.25
    (summary,) = listed(folder.parent)
    assert (summary.state, summary.result, summary.folder) == ("finished", "all well", folder)
    assert all("secret" not in file.read_text() for file in folder.iterdir())


def test_the_environment_is_a_fixed_list_of_fields(folder):
    with begin(folder):
        pass
    assert json.loads((folder / "env.json").read_text()) == environment()
    assert set(environment()) == {"python", "platform", "machine", "cores", "packages"}


def test_an_interrupted_run_says_how_to_go_on_and_does_not_repeat_what_it_finished(folder):
    first, second = Counted("one"), Counted("two")

    def stopped():
        with begin(folder) as run:
            assert run.stage("first", first, save, load, suffix=".txt") == "one"
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as left:
        stopped()
    assert left.value.fix == f"suture resume '{folder}'"
    assert listed(folder.parent)[0].state == "interrupted"
    with begin(folder) as run:
        assert run.stage("first", first, save, load, suffix=".txt") == "loaded one"
        assert run.stage("second", second, save, load, suffix=".txt") == "two"
    assert (first.made, second.made) == (1, 1)
    assert listed(folder.parent)[0].state == "finished"


@pytest.mark.parametrize("damage", ["changed", "gone", "unrecorded"])
def test_a_stage_whose_file_is_not_the_recorded_one_is_made_again(folder, damage):
    stage = Counted()
    with begin(folder) as run:
        run.stage("first", stage, save, load, suffix=".txt")
    file = folder / "first.txt"
    if damage == "changed":
        file.write_text("tampered")
    elif damage == "gone":
        file.unlink()
    else:
        (folder / "events.jsonl").write_text("")
    with begin(folder) as run:
        assert run.stage("first", stage, save, load, suffix=".txt") == "made"
    assert stage.made == 2
    assert file.read_text() == "made"


def test_a_stage_that_fails_leaves_no_file_and_the_run_failed(folder):
    def fail():
        raise NoEffect("nothing there")

    def broken():
        with begin(folder) as run:
            run.stage("first", fail, save, load)

    with pytest.raises(NoEffect):
        broken()
    assert not list(folder.glob("*first*"))
    (summary,) = listed(folder.parent)
    assert (summary.state, summary.result) == ("failed", "nothing there")


def test_a_killed_run_counts_as_interrupted_and_a_live_one_as_running(folder):
    with begin(folder):
        assert listed(folder.parent)[0].state == "running"
    lines = (folder / "events.jsonl").read_text().splitlines()
    dead = {**json.loads(lines[0]), "process": 2**22 + 1}  # above the largest number a process can have
    (folder / "events.jsonl").write_text(json.dumps(dead) + '\n{"time": "cut o')
    assert len(events(folder)) == 1
    assert listed(folder.parent)[0].state == "interrupted"


def test_a_folder_of_another_command_is_refused(folder):
    with begin(folder):
        pass
    with pytest.raises(UsageError, match="another command"), begin(folder, ["edit", "surgery"]):
        pass
    with begin(folder, [*without_out(COMMAND), "-o", "elsewhere"]):
        pass


def test_an_out_that_is_a_file_gets_the_result_and_no_record(tmp_path):
    stage, file = Counted(), tmp_path / "only.safetensors"

    def put(value, path):
        tensorfile.write(path, {}, {"format": PATCH, "value": value})

    for _ in range(2):
        with begin(file) as run:
            assert run.stage("probe", stage, put, load) == "made"
            assert run.path("probe.safetensors") == file
            run.event("unheard")
    assert stage.made == 2
    assert list(tmp_path.iterdir()) == [file]


def test_new_folders_never_collide(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = set()
    for _ in range(3):
        with Run.begin("probe", ["probe"], {}) as run:
            seen.add(run.folder)
    assert len(seen) == 3
    assert new_folder("probe") not in seen
    assert [summary.state for summary in listed()] == ["finished"] * 3


def test_a_recipe_that_is_none_is_said(folder):
    with pytest.raises(UsageError, match="not a run"):
        recipe(folder)
    folder.mkdir(parents=True)
    for text, said in (
        ("command: [a", "line 1: not YAML"),
        ("command: [edit]\nfolder: [x]", "no recipe"),
        ("command: 5", "names no command"),
    ):
        (folder / "recipe.yaml").write_text(text)
        with pytest.raises(DataError, match=said):
            recipe(folder)
        assert listed(folder.parent)[0].state == "failed"


def test_stages_of_another_command_are_not_taken_for_those_of_a_changed_recipe(tmp_path):
    folder = tmp_path / "run"
    with Run.begin("probe", ["probe", "m", "--seed", "0"], {}, folder):
        pass
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("'0'", "'5'"))
    with (
        pytest.raises(UsageError, match="was changed since this run began"),
        Run.begin("probe", ["probe", "m", "--seed", "5"], {}, folder),
    ):
        pass
    recipe.write_text(recipe.read_text().replace("'5'", "'0'"))
    with Run.begin("probe", ["probe", "m", "--seed", "0", "-o", "run"], {}, folder):
        pass


def test_two_do_not_go_on_with_one_run(tmp_path):
    def begin():
        return Run.begin("probe", ["probe", "m"], {}, tmp_path / "run")

    with begin(), pytest.raises(ResourceError, match="in use by another run"), begin():
        pass
    with begin():  # free again
        pass
    assert [event["stage"] for event in events(tmp_path / "run")].count("began") == 2
