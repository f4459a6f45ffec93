"""A comparison as a folder: one page to read, and the files behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.comparing.summary import summary
from blinkspot.files.whole_files import check_new_folder, new_folder_written_whole
from blinkspot.localization import save_picture
from blinkspot.paced import waited_for
from blinkspot.plain_values import encodable
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # slow to import, and needed for reports only
    from blinkspot.evaluation.report.drawings import Drawings

_BESIDE = ("frame", "precision_recall", "counts")
"""Drawings that are files beside the page, too."""


def write_report(comparison: Comparison, folder: str | os.PathLike[str]) -> Generator[Progress, None, Path]:
    """Write a comparison into a new folder.

    ``index.html`` needs nothing else to be read. Beside it lie ``scores.json``, the tables (``noisy.csv``,
    ``denoised_fit_raw.csv``, ``denoised_fit_denoised.csv``), the super-resolved pictures
    (``reconstruction_NAME.png`` and ``.tif``), a part of the example frame (``frame.png``) and the curve
    (``precision_recall.png``, or ``counts.png`` without truth).

    Parameters
    ----------
    comparison : Comparison
        What to write about.
    folder : path
        Must not exist, or be empty.

    Yields
    ------
    Progress
        In drawings and files. Closed before its end, nothing is left behind.

    Returns
    -------
    Path
        Of ``index.html``.

    Raises
    ------
    BlinkspotError
        If the folder holds something already, or cannot be written.
    """
    return _write(comparison, check_new_folder(Path(folder)))


def _write(comparison: Comparison, folder: Path) -> Generator[Progress, None, Path]:
    from blinkspot.evaluation.report.drawings import drawings_of, in_both_themes

    drawings = drawings_of(comparison)
    clock = Stopwatch("writing the report", len(drawings) + 1.0 + len(comparison.routes))
    done = 0.0
    with new_folder_written_whole(folder) as temporary:
        drawn: Drawings = {}
        for name, draw in drawings.items():
            drawn[name] = yield from waited_for(partial(in_both_themes, draw), clock, done)
            if name in _BESIDE:
                (temporary / f"{name}.png").write_bytes(drawn[name][0])
            done += 1.0
            yield clock.at(done)
        yield from waited_for(partial(_write_page, comparison, drawn, temporary), clock, done)
        for write in _files_of_routes(comparison, temporary):
            yield from waited_for(write, clock, done)
            done += 1.0
            yield clock.at(done)
    yield clock.at(clock.total)
    return folder / "index.html"


def _write_page(comparison: Comparison, drawn: Drawings, folder: Path) -> None:
    from blinkspot.evaluation.report.page import page_of

    # Names of files may hold what UTF-8 has no letter for.
    page = encodable(page_of(comparison, drawn))
    (folder / "index.html").write_text(page, encoding="utf-8")
    scores = json.dumps(summary(comparison), indent=2, allow_nan=False)
    (folder / "scores.json").write_text(scores + "\n", encoding="utf-8")


def _files_of_routes(comparison: Comparison, folder: Path) -> Iterator[Callable[[], None]]:
    pixel_size_nm = comparison.settings.picture_pixel_size_nm

    def write(index: int) -> None:
        route = comparison.routes[index]
        route.table.save(folder / f"{route.name}.csv")
        for suffix in (".png", ".tif"):
            target = folder / f"reconstruction_{route.name}{suffix}"
            save_picture(route.picture, target, pixel_size_nm, route.table.provenance)

    for index in range(len(comparison.routes)):
        yield partial(write, index)
