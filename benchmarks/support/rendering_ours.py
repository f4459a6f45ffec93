"""Draws one picture and reports what it took: a process of the benchmark of pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from blinkspot.localization import LocalizationTable, RenderSettings, draw, draw_coloured
from blinkspot.progress import finish
from support.rendering_setup import PIXEL_NM, measured

Drawing = Callable[[LocalizationTable, tuple[float, float]], np.ndarray]


def _plain(settings: RenderSettings) -> Drawing:
    return lambda table, extent_nm: finish(draw(table, settings, extent_nm))


def _by_time(settings: RenderSettings) -> Drawing:
    return lambda table, extent_nm: finish(draw_coloured(table, "frame", settings, extent_nm)).density


PICTURES: dict[str, Drawing] = {
    "histogram": _plain(RenderSettings("histogram", PIXEL_NM)),
    "ash, 2 shifts": _plain(RenderSettings("ash", PIXEL_NM)),
    "ash, 4 shifts": _plain(RenderSettings("ash", PIXEL_NM, shifts=4)),
    "gaussian": _plain(RenderSettings("gaussian", PIXEL_NM)),
    "ash by time": _by_time(RenderSettings("ash", PIXEL_NM)),
    "gaussian by time": _by_time(RenderSettings("gaussian", PIXEL_NM)),
}


def main() -> None:
    folder, name, size, runs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with np.load(folder / "molecules.npz") as molecules:
        table = LocalizationTable.from_columns(molecules)
    extent_nm = (size * PIXEL_NM, size * PIXEL_NM)
    picture, report = measured(lambda: PICTURES[name](table, extent_nm), runs)
    np.save(folder / f"{name}.npy", picture)
    print(report)


if __name__ == "__main__":
    main()
