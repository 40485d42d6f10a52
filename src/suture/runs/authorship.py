"""Whether this user wrote a file: a keyed hash beside it, made with a key that never leaves the user's own folder.

A file and its hash may be moved and copied; who does not have the key can not make one. It says nothing of who may read the file.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..errors import SutureError
from ..io.files import sha256, write_bytes
from ..io.system import explained

log = logging.getLogger(__name__)
SIZE = 32  # bytes of the key
SUFFIX = ".mine"


def sign(file: Path) -> None:
    """Write the keyed hash of a file beside it. Without a place for a key there is none, and it is said.

    Raises:
        UsageError: when it can not be written beside the file.
    """
    try:
        key = _key(make=True)
    except SutureError as problem:
        log.warning("%s: resuming this run will need your trust (%s)", problem.what, problem.why)
        return
    write_bytes(_beside(file), _hash(key, file).encode())


def signed(file: Path) -> bool:
    """Return whether a file is, byte for byte, one that this user signed."""
    key, beside = _key(make=False), _beside(file)
    if not key or not beside.is_file():
        return False
    return hmac.compare_digest(beside.read_bytes().strip(), _hash(key, file).encode())


def key_file() -> Path:
    """Return where the user's key is: SUTURE_STATE, else XDG_STATE_HOME/suture, else ~/.local/state/suture."""
    folder = os.environ.get("SUTURE_STATE")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return (Path(folder) if folder else Path(state) / "suture") / "key"


def method_files(command: Sequence[str], folder: Path = Path()) -> dict[str, str]:
    """Return the SHA-256 of each Python file that a command names, as these are executed; by name, seen from a folder."""
    names = {word.partition("=")[2] if word.startswith("-") else word for word in command}
    return {name: sha256(folder / name) for name in sorted(names) if name.endswith(".py") and (folder / name).is_file()}


def _key(*, make: bool) -> bytes:
    """Return the user's key, made if asked; b"" where there is none."""
    try:
        file = key_file()
        if make and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(file)
        return file.read_bytes() if file.exists() else b""
    except (OSError, RuntimeError) as problem:  # RuntimeError: nobody knows where home is
        raise explained(problem, "there is no place for a key of yours", fix="Set SUTURE_STATE=FOLDER") from problem


def _create(file: Path) -> None:
    """Write a new key that only the user can read; whoever is first wins, and no half of one is ever seen."""
    trial = file.with_name(f".key.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(SIZE))
        try:
            os.link(trial, file)
        except FileExistsError:
            log.debug("another process made the key")
    finally:
        trial.unlink()


def _hash(key: bytes, file: Path) -> str:
    return hmac.new(key, file.read_bytes(), hashlib.sha256).hexdigest()


def _beside(file: Path) -> Path:
    return file.with_name(file.name + SUFFIX)
