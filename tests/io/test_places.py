"""What is written where something is already: only a file of the same kind is replaced, and it is said before the work."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from suture import Patch
from suture.errors import CorruptFile, UsageError
from suture.io import tensorfile
from suture.io.files import write_bytes, write_together
from suture.locate.mask import FORMAT as MASK
from suture.locate.probe import FORMAT as PROBE
from suture.patch.file import FORMAT as PATCH
from suture.runs.run import Run


def put(path, form, value="1"):
    tensorfile.write(path, {"t": torch.ones(2)}, {"format": form, "value": value})
    return path.read_bytes()


def test_a_file_of_the_same_form_is_replaced(tmp_path):
    path = tmp_path / "p.safetensors"
    first = put(path, PATCH)
    assert put(path, PATCH, "2") != first


def test_a_file_of_another_form_stays(tmp_path):
    path = tmp_path / "p.safetensors"
    before = put(path, PROBE)
    with pytest.raises(UsageError, match="already"):
        put(path, PATCH)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my notes", b"\x00" * 64, b"GGUF" + b"\x00" * 64])
def test_what_is_none_of_ours_stays(tmp_path, content):
    path = tmp_path / "model-00001-of-00002.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="already"):
        put(path, PATCH)
    assert path.read_bytes() == content


def test_an_empty_file_is_taken(tmp_path):
    path = tmp_path / "p.safetensors"
    path.touch()
    assert put(path, PATCH)


def test_a_shard_of_a_checkpoint_stays(tmp_path):
    shard = tmp_path / "model.safetensors"
    save_file({"w": torch.ones(2)}, shard, metadata={"format": "pt"})
    before = shard.read_bytes()
    with pytest.raises(UsageError, match="not replaced"):
        put(shard, PATCH)
    assert shard.read_bytes() == before


def test_devices_pipes_and_folders_are_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(UsageError, match="not a plain file"):
            write_bytes(path, b"x")
        with pytest.raises(UsageError, match="not a plain file"):
            put(path, PATCH)


def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.safetensors"
    os.mkfifo(pipe)
    for read in (tensorfile.form_of, lambda path: tensorfile.read(path, PATCH)):
        with pytest.raises(UsageError, match="not a plain file"):
            read(pipe)


def test_one_kind_given_for_another_is_called_by_its_name(tmp_path):
    put(tmp_path / "p", PROBE)
    with pytest.raises(UsageError, match="is a probe file") as said:
        Patch.load(tmp_path / "p")
    assert not isinstance(said.value, CorruptFile)
    put(tmp_path / "m", MASK)
    with pytest.raises(UsageError, match="is a mask file"):
        tensorfile.read(tmp_path / "m", PATCH)
    put(tmp_path / "q", "suture.patch/2")
    with pytest.raises(CorruptFile, match="patch/2"):
        Patch.load(tmp_path / "q")


def test_a_run_says_before_it_works_that_its_file_is_taken(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"a shard of mine")
    with pytest.raises(UsageError, match="already"), Run.begin("probe", ["probe"], {}, path, form=PROBE):
        pytest.fail("it worked on")
    assert path.read_bytes() == b"a shard of mine"


@pytest.mark.parametrize("name", ["env.json", "events.jsonl", "ledger.jsonl", "patch.safetensors", "other.safetensors"])
def test_a_run_does_not_begin_where_it_could_replace_something(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=name), Run.begin("edit", ["edit"], {}, tmp_path):
        pytest.fail("it began")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_run_begins_beside_other_files(tmp_path):
    (tmp_path / "facts.jsonl").write_text("{}")
    with Run.begin("edit", ["edit"], {}, tmp_path):
        pass
    assert (tmp_path / "recipe.yaml").is_file()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.html", "<title>our sales</title>"),
        ("report.json", '{"sales": 3}'),
        ("report.json", "[1]"),
        ("report.json", "no json"),
    ],
)
def test_reports_of_others_stay(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=name):
        write_together(tmp_path, "report", {"json": '{"model": "m", "lines": []}', "html": "<title>suture: m</title>"})
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, content)]


def test_our_reports_are_replaced(tmp_path):
    for model in ("a", "b"):
        texts = {"json": json.dumps({"model": model, "lines": []}), "html": f"<title>suture: {model}</title>"}
        write_together(tmp_path, "report", texts)
    assert {path.suffix[1:]: path.read_text() for path in tmp_path.iterdir()} == texts
