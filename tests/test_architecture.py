"""The house keeps its shape: who may import whom, and what is written in two places agrees."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SOURCE = PROJECT / "src"
HOST = {"PyQt6", "magicgui", "napari", "pyqtgraph", "qtpy", "superqt", "vispy"}
# From the ground up: a part imports itself and what stands below it.
FLOORS = {
    "blinkspot": (
        {"errors", "freed_memory", "hardware_faults", "progress"},
        {"files", "paced", "plain_values", "progress_parts", "safety"},
        {"camera"},
        {"movies", "provenance"},
        {"camera_from_movie", "figure_writing"},
        {"denoising", "localization"},
        {"evaluation", "sessions"},
        {"batch"},
        {"cli", "plugin"},
        {"__main__"},
    ),
    "blinkspot.plugin": (
        {"jobs", "launch", "preferences"},
        {"backend", "widgets"},
        {"layers"},
        {"camera", "dock_settings"},
        {"comparing"},
        {"session"},
        {"docks"},
        {"denoise", "molecules", "train"},
        {"localize"},
        {"saved_sessions"},
        {"report"},
        {"manifest"},
    ),
}

FILES = sorted((SOURCE / "blinkspot").rglob("*.py"))
BACKEND = [path for path in FILES if "plugin" not in path.relative_to(SOURCE / "blinkspot").parts]


def module_name(path: Path) -> str:
    """Return the dotted name under which a source file is imported."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(name: str, house: str) -> str | None:
    """Return the part of a package that a dotted name belongs to: the name right below the package's own."""
    below = name.removeprefix(f"{house}.")
    return None if below == name else below.split(".")[0]


def imports_of(source: str, module: str, is_package: bool) -> set[str]:
    """Return the dotted names that a source imports, anywhere in it, relative ones made absolute."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


@functools.cache
def imports_in(path: Path) -> set[str]:
    """Return the dotted names that a source file imports."""
    return imports_of(path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py")


MODULES = {module_name(path): path for path in FILES}


def test_every_way_of_importing_is_seen() -> None:
    source = (
        "import napari.layers\n"
        "from . import fitting\n"
        "def later():\n"
        "    from ..denoising import Denoiser\n"
        "    from blinkspot import evaluation\n"
    )
    assert imports_of(source, "blinkspot.localization.localizer", is_package=False) == {
        "napari.layers",
        "blinkspot.localization.fitting",
        "blinkspot.denoising.Denoiser",
        "blinkspot.evaluation",
    }
    assert imports_of("from .table import read", "blinkspot.localization", is_package=True) == {
        "blinkspot.localization.table.read"
    }


def test_only_the_plugin_imports_napari_or_qt() -> None:
    imported = {module_name(path): {name.split(".")[0] for name in imports_in(path)} for path in BACKEND}
    assert len(imported) > 300
    assert {name: names & HOST for name, names in imported.items() if names & HOST} == {}


@pytest.mark.parametrize("house", FLOORS)
def test_every_part_has_its_floor(house: str) -> None:
    parts = {part_of(name, house) for name in MODULES} - {None}
    assert sorted(parts) == sorted(part for floor in FLOORS[house] for part in floor)


@pytest.mark.parametrize("house", FLOORS)
def test_parts_import_only_what_stands_below_them(house: str) -> None:
    floor_of = {part: number for number, floor in enumerate(FLOORS[house]) for part in floor}
    of_house = {name: own for name in MODULES if (own := part_of(name, house)) is not None}
    assert len(of_house) > len(floor_of)
    upwards = {}
    for name, own in of_house.items():
        others = {part_of(each, house) for each in imports_in(MODULES[name])} - {own, None}
        upwards[name] = {part for part in others if floor_of[part] >= floor_of[own]}
    assert {name: parts for name, parts in upwards.items() if parts} == {}


@pytest.mark.parametrize("house", FLOORS)
def test_the_page_of_the_code_names_every_part(house: str) -> None:
    page = (PROJECT / "docs" / "the_house.md").read_text(encoding="utf-8")
    parts = {part for floor in FLOORS[house] for part in floor} - {"__main__"}
    assert {part for part in parts if f"`{part}`" not in page and f"`{part}/`" not in page} == set()


def test_backend_runs_where_neither_napari_nor_qt_is_installed() -> None:
    modules = [module_name(path) for path in BACKEND if path.name != "__main__.py"]
    program = f"""
import importlib, importlib.abc, sys

class NotInstalled(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HOST!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
for name in {modules!r}:
    importlib.import_module(name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_manifest_at_the_top_is_a_link_to_the_packaged_one() -> None:
    link = PROJECT / "napari.yaml"
    assert link.is_symlink()
    assert link.readlink() == Path("src/blinkspot/napari.yaml")
    assert link.is_file()


def test_citation_names_the_version_of_the_project() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [project["version"]]
    assert re.findall(r"^license: (.+)$", citation, re.MULTILINE) == [project["license"]]
