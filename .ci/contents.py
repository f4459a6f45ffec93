"""Check that a wheel and a source distribution hold what they should, and nothing else.

python3 .ci/contents.py dist/*.whl dist/*.tar.gz
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

PACKAGE = "blinkspot"
_KINDS = {".py", ".yaml", ".html", ".css", ".js", ".typed"}
_NEEDED = ("napari.yaml", "py.typed", "__init__.py", "evaluation/report/templates/index.html")
_FOLDERS = {"tests", "benchmarks", "docs", "shared", "site"}
_BESIDE = {
    "CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "SECURITY.md", "napari.yaml",
    "pyproject.toml", ".gitignore",
}  # fmt: skip


def main(paths: list[str]) -> int:
    """Print what is wrong with each file; return how many are."""
    wrong = 0
    for path in map(Path, paths):
        found = faults(path)
        print(f"{path.name}: {'; '.join(found) or 'as it should be'}")
        wrong += bool(found)
    return wrong


def faults(path: Path) -> list[str]:
    """Return what is wrong with a wheel or a source distribution."""
    return _of_wheel(path) if path.suffix == ".whl" else _of_source(path)


def _of_wheel(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        entry_points = [wheel.read(name).decode() for name in names if name.endswith("/entry_points.txt")]
    inside = [name for name in names if ".dist-info/" not in name]
    found = _of_package(inside, PACKAGE)
    found += [f"{name} is not of the package" for name in inside if not name.startswith(f"{PACKAGE}/")]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        found.append("the licence is missing")
    for line in (
        "[napari.manifest]",
        "napari-blinkspot = blinkspot:napari.yaml",
        "blinkspot = blinkspot.cli:main",
    ):
        if not any(line in text for text in entry_points):
            found.append(f"the entry point {line} is missing")
    return found


def _of_source(path: Path) -> list[str]:
    with tarfile.open(path) as source:
        names = [name.partition("/")[2] for name in source.getnames()]
    inside = [name for name in names if name.startswith("src/")]
    found = _of_package(inside, f"src/{PACKAGE}")
    beside = set(names) - set(inside) - {""}
    found += [f"{name} does not belong there" for name in sorted(beside - _BESIDE)]
    found += [
        f"{name} is missing"
        for name in ("LICENSE", "README.md", "pyproject.toml", "PKG-INFO")
        if name not in beside
    ]
    return found


def _of_package(names: list[str], package: str) -> list[str]:
    found = [f"{package}/{name} is missing" for name in _NEEDED if f"{package}/{name}" not in names]
    odd = [
        name for name in map(PurePosixPath, names) if name.suffix not in _KINDS or set(name.parts) & _FOLDERS
    ]
    return found + [f"{name} does not belong there" for name in odd]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
