import errno
import hashlib
import shutil
import sys
import types
from pathlib import Path

import pytest
import torch

from suture.errors import CorruptFile, ResourceError, UsageError
from suture.export import sums
from suture.export.hub import FILE
from suture.patch.delta import LowRank
from suture.patch.patch import Patch


@pytest.fixture
def patch(llama):
    weight = llama.anatomy.weights("mlp.gate")[0]
    change = LowRank(torch.ones(2, 1), torch.ones(1, 32), torch.tensor([1, 2]))
    return Patch.make(llama, {weight.tensor: change}, method="test", settings={})


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The Hub as a folder: what huggingface_hub would keep on its side."""
    store, calls = tmp_path / "hub", []

    class Api:
        def create_repo(self, name, *, private, exist_ok):
            calls.append(("create", name, private, exist_ok))
            (store / name).mkdir(parents=True, exist_ok=True)

        def upload_folder(self, *, repo_id, folder_path, revision, commit_message):
            calls.append(("upload", repo_id, revision, commit_message))
            shutil.copytree(folder_path, store / repo_id, dirs_exist_ok=True)
            return f"https://hub/{repo_id}"

    def download(name, file, *, revision, local_files_only):
        assert not local_files_only
        calls.append(("download", name, revision))
        path = store / name / file
        if not path.is_file():
            raise FileNotFoundError(f"404: no {file} in {name}")
        return str(path)

    stub = types.ModuleType("huggingface_hub")
    stub.HfApi, stub.hf_hub_download = Api, download
    monkeypatch.setitem(sys.modules, "huggingface_hub", stub)
    monkeypatch.setattr("suture.export.hub.unreachable", lambda: False)
    return calls


def test_a_folder_holds_the_patch_its_card_and_the_sums(patch, tmp_path, llama):
    folder = patch.save_pretrained(tmp_path / "mine")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "SHA256SUMS", FILE]
    assert sums.check(folder) == 2
    assert hashlib.sha256((folder / FILE).read_bytes()).hexdigest() in (folder / "README.md").read_text()
    again = Patch.from_pretrained(folder)
    assert again.verify(llama) == patch.provenance.effect


def test_a_patch_goes_to_the_hub_and_comes_back(patch, hub, llama):
    assert patch.push_to_hub("me/kind", private=False) == "https://hub/me/kind"
    again = Patch.from_pretrained("me/kind", revision="v1")
    assert again.verify(llama) == patch.provenance.effect
    assert hub[0] == ("create", "me/kind", False, True)
    assert hub[2] == ("download", "me/kind", "v1")


def test_a_new_repository_is_private_unless_asked(patch, hub):
    patch.push_to_hub("me/kind")
    assert hub[0][2] is True


def test_what_the_hub_answers_is_passed_on(patch, hub, monkeypatch):
    with pytest.raises(UsageError, match="can not fetch me/none") as caught:
        Patch.from_pretrained("me/none")
    assert "404" in caught.value.why

    def refuse(*_, **__):
        raise PermissionError("403: not yours")

    monkeypatch.setattr(sys.modules["huggingface_hub"].HfApi, "create_repo", refuse)
    with pytest.raises(UsageError, match="can not push to me/kind"):
        patch.push_to_hub("me/kind")


@pytest.mark.parametrize("name", ["nowhere", "./nowhere", "a/b/c", "/absolute/path"])
def test_what_is_no_name_of_the_hub_is_never_asked_for(name, hub):
    with pytest.raises(UsageError, match="no folder"):
        Patch.from_pretrained(name)
    assert hub == []


def test_a_damaged_patch_is_refused(patch, tmp_path):
    folder = patch.save_pretrained(tmp_path)
    content = bytearray((folder / FILE).read_bytes())
    content[-3] ^= 1
    Path(folder / FILE).write_bytes(content)
    with pytest.raises(CorruptFile):
        Patch.from_pretrained(folder)


def test_an_empty_folder_is_no_patch(tmp_path):
    with pytest.raises(UsageError):
        Patch.from_pretrained(tmp_path)


def test_a_folder_is_there_with_card_and_sums_or_not_at_all(patch, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(sums, "write_bytes", fail)
        with pytest.raises(ResourceError, match="can not write"):
            patch.save_pretrained(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_in_the_folder_stays_and_is_summed(patch, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        patch.save_pretrained(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "SHA256SUMS", "notes.txt", FILE]
        assert sums.check(tmp_path) == 3
