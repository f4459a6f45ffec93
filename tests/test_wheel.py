"""What is given to users holds what it should: the checks of ``.ci/contents.py``, on files built here."""

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def contents() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contents", PROJECT / ".ci" / "contents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and a source distribution by the project's own build backend."""
    folder = tmp_path_factory.mktemp("dist")
    for what in ("wheel", "sdist"):
        build = f"import hatchling.build; hatchling.build.build_{what}({str(folder)!r})"
        done = subprocess.run(
            [sys.executable, "-c", build], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return folder


def test_wheel_and_source_hold_what_they_should(contents, built):
    (wheel,) = built.glob("*.whl")
    (source,) = built.glob("*.tar.gz")
    assert contents.faults(wheel) == []
    assert contents.faults(source) == []
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    modules = {path.relative_to(PROJECT / "src").as_posix() for path in (PROJECT / "src").rglob("*.py")}
    assert modules <= set(names)


def test_what_does_not_belong_there_is_found(contents, built, tmp_path):
    (wheel,) = built.glob("*.whl")
    other = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as opened, zipfile.ZipFile(other, "w") as changed:
        for name in opened.namelist():
            if not name.endswith(("napari.yaml", "LICENSE")):
                changed.writestr(name, opened.read(name))
        changed.writestr("tests/test_x.py", "")
        changed.writestr("blinkspot/picture.png", "")
    found = contents.faults(other)
    for words in (
        "napari.yaml is missing",
        "the licence is missing",
        "tests/test_x.py",
        "picture.png does not",
    ):
        assert any(words in fault for fault in found), words
    empty = tmp_path / "napari_blinkspot-1.tar.gz"
    with tarfile.open(empty, "w:gz"):
        pass
    assert "LICENSE is missing" in contents.faults(empty)
