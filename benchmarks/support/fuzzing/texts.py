"""Small files of text: cameras, calibrations, sessions, records of unfinished movies, and conditions."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import numpy as np

from blinkspot import Camera, LocalizationTable
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising import Denoiser
from blinkspot.denoising.networks import build_network
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.errors import BlinkspotError
from blinkspot.files.unfinished_files import Record, UnfinishedFile
from blinkspot.localization.astigmatism import AstigmatismCalibration, DefocusCurve
from blinkspot.localization.processing.expression import parse_expression
from blinkspot.progress import finish
from blinkspot.sessions import (
    DenoisedMovie,
    Model,
    Movie,
    Picture,
    Report,
    SessionContents,
    SessionRecord,
    SessionTable,
    Table,
    command_lines,
    read_session,
    write_session,
)
from support.fuzzing.mutations import WORDS, damaged_json, damaged_text
from support.fuzzing.target import Target, damage_bytes, damage_text, one_of, only

_CAMERA = Camera(pixel_size_nm=100, offset_adu=100, electrons_per_adu=2)


def _make_cameras(folder: Path) -> None:
    maps = CameraMaps(*(np.full((8, 9), value, np.float32) for value in (100, 4, 2)), "maps.npy")
    for name, camera in (("plain", _CAMERA), ("mapped", Camera(pixel_size_nm=100, maps=maps))):
        (folder / name).mkdir()
        camera.save(folder / name / "c.toml")


def _damage_any(folder: Path, rng: random.Random) -> None:
    path = one_of(folder, rng)
    (damage_bytes if path.suffix == ".npy" or rng.random() < 0.2 else damage_text)(path, rng)


def _make_calibration(folder: Path) -> None:
    (folder / "one").mkdir()
    curve = DefocusCurve(130.0, -200.0, 400.0, 0.1, 0.2)
    AstigmatismCalibration(curve, curve.moved(400.0), (-500.0, 500.0), measured={
        "z_nm": [-1.0, 0.0], "sigma_x_nm": [130.0, 140.0], "sigma_y_nm": [150.0, 140.0]
    }, provenance={"camera": {"pixel_size_nm": 100.0}}).save(folder / "one" / "c.toml")  # fmt: skip


def _read_calibration(folder: Path) -> None:
    calibration = AstigmatismCalibration.load(folder / "c.toml")
    with contextlib.suppress(BlinkspotError):
        calibration.check_pixel_size(100.0)
    calibration.x.slope(calibration.heights_nm())
    json.dumps(calibration.provenance)


def _make_session(folder: Path) -> None:
    made_by = {
        "step": "train",
        "camera": _CAMERA.as_dict(),
        "asked_for": {"epochs": 3, "region_px": [0, 0, 32, 32]},
    }
    record = SessionRecord(
        movies=(Movie("cells", "/data/cells.tif", (9, 32, 32), _CAMERA.as_dict(), look={"visible": True}),),
        models=(Model("model", made_by, "cells", path="/data/m.blinkspot"),),
        denoised=(DenoisedMovie("better", "cells", "model", {"settings": {"estimate": "map"}}),),
        tables=(
            Table("molecules", movie="cells", denoised="better", provenance={"settings": {"fitter": "mle"}},
                  steps=({"step": "filter", "settings": {"expression": "photons > 5"}},),
                  condition="x_nm < 3", picture=Picture(20.0, "gaussian")),
        ),
        reports=(Report("cells", "better", "/data/report", _CAMERA.as_dict()),),
        docks={"Train": {"epochs": 3}},
    )  # fmt: skip
    table = LocalizationTable.from_columns({"frame": [0, 1], "x_nm": [5.0, 6.0], "y_nm": [7.0, 8.0]})
    denoiser = Denoiser(
        PriorNetwork(build_network("dilated", 0, 2), InputScaling(20.0, 2.0, 100.0)),
        "dilated",
        _CAMERA,
        made_by,
    )
    contents = SessionContents(
        record,
        models={"model": denoiser},
        cameras={"cells": _CAMERA},
        tables={"molecules": SessionTable(lambda: table, None)},
    )
    finish(write_session(contents, folder / "one"))


def _damage_session(folder: Path, rng: random.Random) -> None:
    path = folder / "session.json"
    if rng.random() < 0.2:
        damage_text(path, rng)
    elif rng.random() < 0.1:
        damage_bytes(path, rng)
    else:
        path.write_bytes(
            damaged_json(json.loads(path.read_text(encoding="utf-8")), rng).encode(errors="replace")
        )


def _read_session(folder: Path) -> None:
    _, record = read_session(folder)
    command_lines(record)


def _make_record(folder: Path) -> None:
    (folder / "one").mkdir()
    record = Record("m.tif", {"model": {"digest": "0a"}, "settings": {"estimate": "mean"}}, 90, 20, 4000)
    UnfinishedFile(folder / "m.tif", folder / "one").write_record(record)


def _read_record(folder: Path) -> None:
    if UnfinishedFile(folder / "m.tif", folder).read_record() is None:
        raise BlinkspotError("It is no record.")


_CONDITIONS = (
    "photons > 200 & uncertainty_nm < 25", "not (x_nm >= 3 or y_nm < 2e3) and frame != 5",
    "sqrt(abs(x_nm - 3)) ** 2 < max(photons, 4, 5) / -min(2, sigma_nm)", "1 < x_nm < 5 = 7",
    "a.b", "~(x_nm^2 > 4)",
)  # fmt: skip
_TOWARDS_PYTHON = (
    "__import__('os').system('true')", "().__class__.__bases__[0].__subclasses__()", "x_nm.__class__",
    "lambda: 1",
    "9**9**9**9", "9**9**9 > x_nm", "(x_nm := 3)", "f'{x_nm}'", "[x_nm for x_nm in x_nm]", "x_nm[0]",
    "*x_nm", "**x",
    "exec", "eval(x_nm)", "open", "True", "None", "...", "await x", "yield", "x if y else z", "{1: 2}",
    "1j", "b''",
    "globals()", "@", "->", "; import os", "\\", "x_nm > 1 " + "& x_nm > 1" * 300, "-" * 1900 + "1",
    "~" * 1900 + "x",
    "(" * 900 + ")" * 900, "max(" * 300 + "1" + ")" * 300, "1<" * 900 + "1", "1**" * 600 + "1",
    "x_nm" * 499,
    "abs " * 400, "not " * 450 + "x_nm > 1", "ﬁ > 1", "ｘ_nm > 1", "x_nm > ١", "1e999999999 > x_nm",
    "0x1F > x_nm",
)  # fmt: skip


def _make_conditions(folder: Path) -> None:
    for number, condition in enumerate(_CONDITIONS):
        if condition == "a.b":
            continue  # for its dot, as a part of others
        (folder / str(number)).mkdir()
        (folder / str(number) / "condition.txt").write_text(condition, encoding="utf-8")


def _damage_condition(folder: Path, rng: random.Random) -> None:
    path = only(folder, "*.txt")
    parts = [path.read_text(encoding="utf-8")]
    parts += [rng.choice((*_CONDITIONS, *_TOWARDS_PYTHON, *WORDS)) for _ in range(rng.choice((0, 0, 1, 2)))]
    rng.shuffle(parts)
    text = rng.choice((" & ", " ", "|", "(", ")", "**", "")).join(parts)
    path.write_bytes((damaged_text(text, rng) if rng.random() < 0.8 else text).encode(errors="replace"))


_ROWS = {
    name: np.linspace(-5, 1e4, 1000)
    for name in ("photons", "uncertainty_nm", "x_nm", "y_nm", "frame", "sigma_nm")
}


def _read_condition(folder: Path) -> None:
    parsed = parse_expression(only(folder, "*.txt").read_text(encoding="utf-8", errors="replace"))
    if set(parsed.columns) <= set(_ROWS):
        assert parsed.holds(_ROWS).shape == (1000,)


CAMERA = Target(_make_cameras, _damage_any, lambda folder: Camera.load(folder / "c.toml"))
CALIBRATION = Target(_make_calibration, _damage_any, _read_calibration)
SESSION = Target(_make_session, _damage_session, _read_session)
RECORD = Target(_make_record, _damage_any, _read_record)
EXPRESSION = Target(_make_conditions, _damage_condition, _read_condition)
