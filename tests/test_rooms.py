"""The house: which room may import which, that no files go round in a circle, and what the package never does."""

import ast
import importlib
import pkgutil
import subprocess
import sys

import pytest

import suture
import suture.registry
from rooms import FILES, LATE, MODULES, ORDER, SOURCE, TOP, circles, imports, module, room


def test_at_the_top_are_only_the_door_the_errors_and_the_registry():
    assert {path.name for path in SOURCE.glob("*.py")} == TOP
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms | {"errors", "registry"} == set(ORDER)


def test_no_arrow_runs_up():
    up = {
        (name, to)
        for name, path in MODULES.items()
        if name not in ("", "__main__")
        for to in imports(path)
        if ORDER.index(room(to)) > ORDER.index(room(name))
    }
    assert up == LATE.keys()


def test_no_files_go_round_in_a_circle():
    arrows = {name: imports(path, types=False) - {name} for name, path in MODULES.items() if name}
    for name, to in LATE:
        arrows[name] -= {to}
    assert not circles(arrows)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("name", [name for name in ORDER if name not in ("errors", "registry")])
def test_a_room_says_what_it_is_for(name):
    said = ast.get_docstring(ast.parse((SOURCE / name / "__init__.py").read_text(encoding="utf-8")))
    assert said
    assert 10 < len(said.splitlines()[0]) < 130


def test_every_public_name_stays_what_it_is_when_all_is_imported():
    before = {name: type(getattr(suture, name)) for name in suture.__all__}
    for found in pkgutil.walk_packages(suture.__path__, "suture."):
        if found.name != "suture.__main__":
            importlib.import_module(found.name)
    assert {name: type(getattr(suture, name)) for name in suture.__all__} == before


FACES = sorted(path.parent for path in SOURCE.rglob("__init__.pyi"))


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_room_gives_what_its_face_promises(face):
    opened = importlib.import_module(f"suture.{module(face / '__init__.py')}".rstrip("."))
    for node in ast.parse((face / "__init__.pyi").read_text()).body:
        for alias in node.names:
            home = importlib.import_module(f"{opened.__name__}.{node.module}")
            assert getattr(opened, alias.name) is getattr(home, alias.name)
            assert not (face / alias.name).exists(), "a module of that name would hide it"
            assert not (face / f"{alias.name}.py").exists(), "a module of that name would hide it"


def test_methods_and_locators_never_import_their_like():
    for kind in ("method", "locator"):
        names = suture.registry.names(kind)
        folder = suture.registry.FOLDERS[kind].removeprefix("suture.")
        for name in names:
            own = imports(MODULES[f"{folder}.{name}"]) & {f"{folder}.{other}" for other in names}
            assert not own, f"{name} imports {own}"


def test_metrics_know_no_patch_and_patches_on_disk_no_model():
    never = {"metrics": {"patch", "locate", "methods"}, "checkpoint": {"model"}, "measure": {"methods"}}
    for name, path in MODULES.items():
        assert not {room(to) for to in imports(path)} & never.get(room(name), set()), name


def test_pictures_know_numbers_alone():
    for name, path in MODULES.items():
        if name.startswith("report.figures."):
            assert imports(path, types=False) <= {"report.figures._svg", "measure.report"}, name


def test_no_pickle_no_eval_no_shell():
    forbidden = {"eval", "exec", "compile", "__import__"}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not {a.name.split(".")[0] for a in node.names} & {"pickle", "marshal", "shelve", "dill"}, file
            if isinstance(node, ast.Call):
                assert not (isinstance(node.func, ast.Name) and node.func.id in forbidden), file
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "yaml.load", "os.system"), file
                assert not any(k.arg == "shell" for k in node.keywords), file
            if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                assert ast.unparse(node.value) == "False", file


def test_no_silent_except():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body):
                assert isinstance(node.type, ast.Name), file
                assert node.type.id == "_Stop", f"{file}:{node.lineno}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import suture", ["torch", "transformers", "rich"]),
        ("from suture.patch.patch import Patch", ["transformers"]),
        ("import suture.checkpoint.verbs, suture.checkpoint.difference, suture.patch.overlap", ["transformers"]),
        ("import suture.cli.main", ["torch", "transformers", "numpy"]),
        ("import suture.runs.run", ["torch", "transformers", "numpy"]),
    ],
)
def test_light_imports_stay_light(code, absent):
    check = f"import sys\n{code}\nprint(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
