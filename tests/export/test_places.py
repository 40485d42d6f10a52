"""What is exported where something is already: only what suture wrote is replaced."""

import pytest
import torch

from suture import Patch
from suture.errors import UsageError
from suture.export import card, lora, sums
from suture.io.gguf import write as write_gguf


def test_the_readme_of_a_project_is_no_card(tmp_path, llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"])
    (tmp_path / "README.md").write_text("# My project")
    for write in (card.Card().export, Patch.save_pretrained):
        with pytest.raises(UsageError, match=r"README\.md"):
            write(patch, tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("README.md", "# My project")]
    (tmp_path / "README.md").unlink()
    for _ in range(2):
        patch.save_pretrained(tmp_path)


def test_an_adapter_of_another_stays(tmp_path, llama, low_rank):
    patch = low_rank(llama, ["mlp.gate"])
    for name in (lora.WEIGHTS, lora.CONFIG):
        (tmp_path / name).write_text("mine")
        with pytest.raises(UsageError, match=name):
            lora.export(llama, patch, tmp_path)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    for _ in range(2):
        lora.export(llama, patch, tmp_path)


def test_a_model_in_gguf_stays(tmp_path):
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="GGUF"):
        write_gguf(path, "controlvector", {}, {"direction.1": torch.ones(4)})
    assert path.read_bytes() == before
    for _ in range(2):
        write_gguf(tmp_path / "own.gguf", "controlvector", {}, {"direction.1": torch.ones(4)})


def test_sums_of_other_files_stay(tmp_path):
    (tmp_path / "a").write_text("a")
    sums.export(tmp_path)
    (tmp_path / "b").write_text("b")
    sums.export(tmp_path)
    (tmp_path / sums.NAME).write_text(f"{'0' * 64}  elsewhere.bin\n")
    with pytest.raises(UsageError, match=sums.NAME):
        sums.export(tmp_path)
