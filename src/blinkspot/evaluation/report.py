"""A comparison as a folder: one page to read, and the files behind it."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import figures
from blinkspot.evaluation.comparison import Comparison
from blinkspot.evaluation.figures import DARK, LIGHT, Theme
from blinkspot.evaluation.summary import summary
from blinkspot.evaluation.verdict import MINUS, ROUTE_TITLES, described, verdict
from blinkspot.files import check_new_folder
from blinkspot.localization import save_picture

Drawing = Callable[[Comparison, Theme], Figure]


def write_report(comparison: Comparison, folder: str | os.PathLike[str]) -> Path:
    """Write a comparison into a new folder.

    ``index.html`` needs nothing else to be read. Beside it lie ``scores.json``, the tables (``noisy.csv``,
    ``denoised_fit_raw.csv``, ``denoised_fit_denoised.csv``), the super-resolved pictures
    (``reconstruction_NAME.png`` and ``.tif``), the example frame (``frame.png``) and the curve
    (``precision_recall.png``, or ``counts.png`` without truth).

    Parameters
    ----------
    comparison : Comparison
        What to write about.
    folder : path
        Must not exist, or be empty.

    Returns
    -------
    Path
        Of ``index.html``.

    Raises
    ------
    BlinkspotError
        If the folder holds something already, or cannot be written.
    """
    with _folder_written_whole(Path(folder)) as temporary:
        drawings: dict[str, Drawing] = {
            "frame": figures.example_frame,
            "reconstructions": figures.reconstructions,
            "curve": figures.counts if comparison.truth is None else figures.precision_recall,
        }
        pictures = {name: _in_both_themes(draw, comparison) for name, draw in drawings.items()}
        (temporary / "frame.png").write_bytes(pictures["frame"][0])
        curve_name = "counts.png" if comparison.truth is None else "precision_recall.png"
        (temporary / curve_name).write_bytes(pictures["curve"][0])
        page = _page(comparison, pictures)
        (temporary / "index.html").write_text(page, encoding="utf-8")
        scores = json.dumps(summary(comparison), indent=2, allow_nan=False)
        (temporary / "scores.json").write_text(scores + "\n", encoding="utf-8")
        pixel_size_nm = comparison.settings.picture_pixel_size_nm
        for route in comparison.routes:
            route.table.save(temporary / f"{route.name}.csv")
            for suffix in (".png", ".tif"):
                target = temporary / f"reconstruction_{route.name}{suffix}"
                save_picture(route.picture, target, pixel_size_nm, route.table.provenance)
    return Path(folder) / "index.html"


def _page(comparison: Comparison, pictures: dict[str, tuple[bytes, bytes]]) -> str:
    environment = Environment(
        loader=PackageLoader("blinkspot.evaluation", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "capital": lambda text: text[:1].upper() + text[1:]}
    return environment.get_template("report.html").render(
        comparison=comparison,
        verdict=verdict(comparison),
        titles=ROUTE_TITLES,
        described=described,
        pictures={name: tuple(map(_data_uri, both)) for name, both in pictures.items()},
    )


def _in_both_themes(draw: Drawing, comparison: Comparison) -> tuple[bytes, bytes]:
    return figures.png(draw(comparison, LIGHT)), figures.png(draw(comparison, DARK))


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _number(value: float | None, decimals: int = 3) -> str:
    """Write a number for a table; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:,.{decimals}f}".replace("-", MINUS)


@contextlib.contextmanager
def _folder_written_whole(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``folder``; rename it to ``folder`` only if the block ends well."""
    check_new_folder(folder)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        temporary.mkdir()
        yield temporary
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise BlinkspotError(
            f"The report {folder} could not be written ({error.strerror or error}): nothing was left behind; "
            "check the room and the permissions there."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
