"""The drift is found, taken off, kept and given back; where there is none to find, that is said."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from blinkspot import LocalizationTable, read_table
from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing import STEPS, Rectangle, process, recorded_steps
from blinkspot.localization.processing.drift import (
    Drift,
    DriftCorrection,
    FiducialCorrection,
    LoadedDrift,
    draw_drift,
    drift_in,
    drift_of_fiducials,
    estimate_drift,
    read_drift,
    without_correction,
    write_drift,
)
from blinkspot.localization.processing.drift.correlation import Torus, sub_pixel_peak
from blinkspot.localization.processing.drift.redundant import agreeing_places
from blinkspot.localization.processing.drift.smoothing import smoothed
from blinkspot.localization.table_files.csv_text import provenance_path
from blinkspot.progress import Progress, finish

pytest_plugins = ["commands"]

FloatArray = NDArray[np.float64]
FIELD_NM, N_FRAMES, PRECISION_NM = 8000.0, 300, 12.0
finite = st.floats(-1e6, 1e6)
curves = (
    st.integers(1, 40).flatmap(lambda n: arrays(np.float64, (2, n), elements=finite)).map(lambda a: Drift(*a))
)


def curved(n_frames: int = N_FRAMES, size_nm: float = 120.0) -> FloatArray:
    """Return a drift of shape (n_frames, 2) that starts at 0."""
    at = np.linspace(0.0, 1.0, n_frames)
    return size_nm * np.stack([np.sin(4.0 * at), at**2 - 0.4 * np.sin(6.0 * at)], axis=1)


def sample(
    n: int = 30_000, drift_nm: FloatArray | None = None, seed: int = 1, sites: int = 400
) -> LocalizationTable:
    """Return molecules on sites at random places, in a movie with the drift."""
    rng = np.random.default_rng(seed)
    drift_nm = curved() if drift_nm is None else drift_nm
    frame = np.sort(rng.integers(len(drift_nm), size=n))
    places = rng.uniform(0, FIELD_NM, (sites, 2))[rng.integers(sites, size=n)] + drift_nm[frame]
    return table_of(frame, places + rng.normal(0, PRECISION_NM, (n, 2)), len(drift_nm))


def table_of(frame: NDArray[Any], places: FloatArray, n_frames: int) -> LocalizationTable:
    return LocalizationTable.from_columns(
        {
            "frame": frame,
            "x_nm": places[:, 0],
            "y_nm": places[:, 1],
            "uncertainty_nm": np.full(len(frame), PRECISION_NM),
        },
        provenance={"movie_shape": [n_frames, 80, 80], "camera": {"pixel_size_nm": 100.0}},
    )


def rms(found: FloatArray, truth: FloatArray) -> float:
    off = found - truth
    return float(np.sqrt(np.mean((off - off.mean(axis=0)) ** 2)))


# -- the curve


@given(curves)
def test_apply_subtracts_and_undo_adds(drift: Drift) -> None:
    frame = np.arange(len(drift))
    table = table_of(frame, np.zeros((len(drift), 2)), len(drift))
    moved = drift.apply(table)
    np.testing.assert_array_equal(moved.column("x_nm"), -drift.x_nm)
    np.testing.assert_array_equal(moved.column("y_nm"), -drift.y_nm)
    back = drift.undo(moved)
    np.testing.assert_array_equal(back.data, table.data)


def test_frames_beyond_the_drift_are_refused() -> None:
    table = table_of(np.array([0, 5]), np.zeros((2, 2)), 6)
    with pytest.raises(BlinkspotError, match="frame 6, but the drift covers the frames 1 to 5"):
        Drift(np.zeros(5), np.zeros(5)).apply(table)


@pytest.mark.parametrize("bad", [[np.nan, 0.0], [np.inf, 0.0], []])
def test_a_drift_holds_numbers_only(bad: list[float]) -> None:
    with pytest.raises(BlinkspotError):
        Drift(np.array(bad), np.array(bad))
    with pytest.raises(BlinkspotError, match="2 values of x and 3 of y"):
        Drift(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("n_frames", [1, 2, 999, 4000, 4001, 30_000])
def test_what_is_recorded_is_what_is_applied(n_frames: int) -> None:
    at = np.arange(n_frames) / 1000.0
    drift = Drift(300.0 * np.sin(at), 0.1 * at)
    kept = drift.recordable()
    recorded = json.loads(json.dumps(drift.as_dict()))
    assert len(recorded["x_nm"]) <= 4002
    again = Drift.from_dict(recorded)
    np.testing.assert_array_equal(again.positions_nm, kept.positions_nm)
    np.testing.assert_array_equal(kept.recordable().positions_nm, kept.positions_nm)
    # The rounding, and the sagitta of a chord over 8 frames of a sine of 300 nm and 1 rad per 1,000 frames.
    np.testing.assert_allclose(kept.positions_nm, drift.positions_nm, atol=0.0005 + 300.0 * 0.008**2 / 8.0)


@pytest.mark.parametrize("record", [{}, {"n_frames": 3}, {"n_frames": 3, "knot_every_frames": 0}])
def test_a_damaged_record_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(BlinkspotError, match="record of the drift"):
        Drift.from_dict({"x_nm": [0.0], "y_nm": [0.0], **record})


# -- its files


@given(drift=curves)
def test_csv_gives_back_every_bit(drift: Drift, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("drift") / "d.csv"
    write_drift(drift, path, {"step": "drift"})
    np.testing.assert_array_equal(read_drift(path).positions_nm, drift.positions_nm)
    assert path.read_text().splitlines()[0] == '"frame","x [nm]","y [nm]"'
    assert json.loads(provenance_path(path).read_text()) == {"step": "drift"}
    with pytest.raises(BlinkspotError, match="not overwritten"):
        write_drift(drift, path)


def test_picassos_file_is_in_pixels_and_a_line_a_frame(tmp_path: Path) -> None:
    drift = Drift(np.array([0.0, 65.0, -130.0]), np.array([13.0, 0.0, 1.3]))
    write_drift(drift, tmp_path / "d.txt", pixel_size_nm=130.0)
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / "d.txt", delimiter=" "), [[0.0, 0.1], [0.5, 0.0], [-1.0, 0.01]]
    )
    np.testing.assert_allclose(read_drift(tmp_path / "d.txt", 130.0).positions_nm, drift.positions_nm)
    # As numpy writes them for Picasso, also with z.
    np.savetxt(tmp_path / "z.txt", [[0.0, 0.1, 7.0], [0.5, 0.0, 7.0]], newline="\r\n")
    np.testing.assert_allclose(read_drift(tmp_path / "z.txt", 100.0).positions_nm, [[0.0, 10.0], [50.0, 0.0]])
    with pytest.raises(
        BlinkspotError, match="--pixel-size-nm, or beside the table in napari's Molecules dock"
    ):
        read_drift(tmp_path / "d.txt")


def test_frames_that_a_file_leaves_out_lie_on_straight_lines(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("frame, x [nm], y [nm]\n2,10,0\n6,30,-8\n")
    drift = read_drift(tmp_path / "d.csv")
    np.testing.assert_allclose(drift.x_nm, [10, 10, 15, 20, 25, 30])
    np.testing.assert_allclose(drift.y_nm, [0, 0, -2, -4, -6, -8])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("d.csv", "", "is not a table of"),
        ("d.csv", "frame,x [nm]\n1,2\n", "is not a table of frame, x"),
        ("d.csv", "frame,x [nm],y [nm]\n", "holds no frame"),
        ("d.csv", "frame,x [nm],y [nm]\n1,2,\n", "data row 1"),
        ("d.csv", "frame,x [nm],y [nm]\n1,2,inf\n", "data row 1"),
        ("d.csv", "frame,x [nm],y [nm]\n2,0,0\n1,0,0\n", "ascending"),
        ("d.csv", "frame,x [nm],y [nm]\n0,0,0\n", "ascending whole numbers from 1"),
        ("d.csv", "frame,x [nm],y [nm]\n1e11,0,0\n", "which no movie has"),
        ("d.csv", "frame,x [nm],y [nm]\n1,two,0\n", "is not a table of"),
        ("d.csv", "frame,x [nm],y [nm]\n1,0,0\n2,0\n", "Line 3 of the drift .* has 2 values and not 3"),
        ("d.csv", "frame,x [nm],y [nm]\n7,1,0,0\n8,2,0,0\n", "Line 2 of the drift .* has 4 values and not 3"),
        ("d.txt", "0.1\n0.2\n", "has one column"),
        ("d.txt", "a b\n", "two columns of numbers"),
        ("d.json", "{}", "is a file .csv"),
    ],
)
def test_files_that_hold_no_drift(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BlinkspotError, match=words):
        read_drift(tmp_path / name, 100.0)


# -- its parts


@given(
    row=st.floats(-0.49, 0.49),
    column=st.floats(-0.49, 0.49),
    widths=st.tuples(st.floats(0.8, 3.0), st.floats(0.8, 3.0)),
    tilt=st.floats(0.0, 3.0),
)
def test_peak_of_a_gaussian_is_exact(
    row: float, column: float, widths: tuple[float, float], tilt: float
) -> None:
    v, u = np.mgrid[-20:21, -20:21].astype(np.float64)
    v, u = v - row, u - column
    along, across = u * np.cos(tilt) + v * np.sin(tilt), v * np.cos(tilt) - u * np.sin(tilt)
    picture = 5.0 * np.exp(-0.5 * ((along / widths[0]) ** 2 + (across / widths[1]) ** 2))
    found_row, found_column, score = sub_pixel_peak(picture)
    assert (found_row - 20, found_column - 20) == pytest.approx((row, column), abs=1e-3)
    assert score > 10


def test_even_picture_has_no_peak() -> None:
    assert sub_pixel_peak(np.ones((9, 9)))[2] == 0.0
    sub_pixel_peak(np.eye(2))


@pytest.mark.parametrize("size_px", [128, 1024])
def test_shift_of_a_copy_is_found_between_the_pixels_also_folded(size_px: int) -> None:
    rng = np.random.default_rng(3)
    places = rng.uniform(0, 20_000, (4000, 2))
    torus = Torus(size_px, 20.0, 25.0)
    for shift in ((133.0, -57.0), (-201.7, 8.3)):
        first = torus.spectrum(*places.T)
        second = torus.spectrum(*(places + shift).T) * torus.smoothing()
        peak = torus.peak(torus.correlation(first, second, 40))
        # A position is drawn to a pixel: an error of 20 nm / sqrt(12) in each picture, 4,000 times.
        assert (peak.x_nm, peak.y_nm) == pytest.approx(shift, abs=0.8)


def test_correlation_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    torus = Torus(16, 10.0, 1e-6)
    one, other = (rng.uniform(0, 160, (30, 2)) for _ in range(2))
    found = torus.correlation(torus.spectrum(*one.T), torus.spectrum(*other.T), 3)
    pixels = [np.floor(each / 10.0).astype(int) for each in (one, other)]
    for dy, dx in itertools.product(range(-3, 4), repeat=2):
        count = sum(((b - a - (dx, dy)) % 16 == 0).all() for a in pixels[0] for b in pixels[1])
        assert found[dy + 3, dx + 3] == pytest.approx(count - 30 * 30 / 256, abs=1e-3)


def test_wrong_pairs_lose_their_say() -> None:
    rng = np.random.default_rng(2)
    truth = np.concatenate([[[0.0, 0.0]], rng.uniform(-300, 300, (9, 2))])
    pairs = np.array(list(itertools.combinations(range(10), 2)))
    shifts = truth[pairs[:, 1]] - truth[pairs[:, 0]]
    wrong = rng.permutation(len(pairs))[:12]
    shifts[wrong] += rng.uniform(200, 900, (12, 2))
    places, agreeing = agreeing_places(pairs, shifts, 10, np.ones(len(pairs), dtype=np.bool_))
    np.testing.assert_allclose(places, truth, atol=1e-6)
    assert set(np.flatnonzero(~agreeing)) == set(wrong)


def test_smoother_solves_the_penalized_least_squares_of_its_model() -> None:
    # With the variances of the steps known, the smoothed level is the most likely one given all readings.
    from blinkspot.localization.processing.drift.smoothing import _smooth

    rng = np.random.default_rng(4)
    n, level_step, slope_step = 30, 0.3, 0.05
    noise = rng.uniform(0.5, 2.0, n)
    noise[[3, 4, 17]] = np.inf
    readings = np.where(np.isfinite(noise), rng.normal(0, 3, n).cumsum(), 0.0)
    level, variance = _smooth(readings, noise, level_step, slope_step)
    # States level 0..n-1, then slope 0..n-1.
    precision = np.zeros((2 * n, 2 * n))
    for index in range(n):
        precision[index, index] += 1.0 / noise[index]
    for index in range(n - 1):
        step = np.zeros((2, 2 * n))
        step[0, [index + 1, index, n + index]] = 1.0, -1.0, -1.0
        step[1, [n + index + 1, n + index]] = 1.0, -1.0
        precision += step.T @ np.diag([1.0 / level_step, 1.0 / slope_step]) @ step
    covariance = np.linalg.inv(precision)
    right = np.concatenate([np.where(np.isfinite(noise), readings / noise, 0.0), np.zeros(n)])
    np.testing.assert_allclose(level, (covariance @ right)[:n], atol=1e-3)
    np.testing.assert_allclose(variance, np.diag(covariance)[:n], rtol=1e-3)


@settings(max_examples=10, deadline=None)
@given(scale=st.sampled_from([1e-3, 1.0, 1e3]), seed=st.integers(0, 100))
def test_smoothing_knows_no_unit_and_helps(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = 20.0 * np.sin(np.arange(400) / 60.0)
    readings = truth + rng.normal(size=400)
    level, variance = smoothed(scale * readings, np.full(400, scale**2))
    assert np.std(level / scale - truth) < 0.4
    assert 0.5 < np.sqrt(variance.mean()) / scale / np.std(level / scale - truth) < 2.0


# -- the whole


@pytest.mark.parametrize(("method", "bound_nm"), [("rcc", 4.0), ("overlap", 1.0)])
def test_known_drift_is_found(method: Any, bound_nm: float) -> None:
    table = sample()
    found = finish(estimate_drift(table, method))
    assert rms(found.drift.positions_nm, curved()) < bound_nm
    assert (found.drift.x_nm[0], found.drift.y_nm[0]) == (0.0, 0.0)
    assert not found.warnings
    if method == "overlap":
        # What it says of its error is true.
        assert 0.5 < found.findings["uncertainty_nm"] / rms(found.drift.positions_nm, curved()) < 2.0


def test_jumps_are_followed() -> None:
    # 60 nm between two frames; a spline over segments would smear it over dozens.
    jump = np.zeros((N_FRAMES, 2))
    jump[150:] = 60.0, -30.0
    found = finish(estimate_drift(sample(drift_nm=jump))).drift.positions_nm
    found -= found[:100].mean(axis=0)
    assert np.abs(found[:148]).max() < 4.0
    assert np.abs(found[152:] - jump[-1]).max() < 4.0


def test_drift_common_to_all_is_all_that_matters() -> None:
    here, there = sample(), sample()
    moved = there.data.assign(x_nm=there.data["x_nm"] + 5e4, y_nm=there.data["y_nm"] - 7e4)
    there = LocalizationTable(moved, provenance=there.provenance)
    first, second = (finish(estimate_drift(table)).drift.positions_nm for table in (here, there))
    np.testing.assert_allclose(second, first, atol=0.5)


def test_uncertainties_need_not_be_known() -> None:
    table = sample()
    bare = LocalizationTable(table.data.drop(columns="uncertainty_nm"), provenance=table.provenance)
    assert rms(finish(estimate_drift(bare)).drift.positions_nm, curved()) < 1.2


@pytest.mark.parametrize("n", [300, 3000, 30_000])
@pytest.mark.parametrize("frames_each", [1, 3])
def test_molecules_that_never_come_back_have_no_drift_to_find(n: int, frames_each: int) -> None:
    rng = np.random.default_rng(n)
    frame = np.repeat(np.sort(rng.integers(N_FRAMES - 2, size=n)), frames_each)
    frame += np.tile(np.arange(frames_each), n)
    places = np.repeat(rng.uniform(0, FIELD_NM, (n, 2)), frames_each, axis=0)
    places += rng.normal(0, PRECISION_NM, places.shape) + curved()[frame]
    with pytest.raises(BlinkspotError, match="drift cannot be told from this table") as refusal:
        finish(estimate_drift(table_of(frame, places, N_FRAMES)))
    assert "Use fiducials" in str(refusal.value)


@pytest.mark.parametrize("n", [0, 1, 5, 199])
def test_too_few_molecules_are_refused(n: int) -> None:
    with pytest.raises(BlinkspotError, match="The drift cannot be told from"):
        finish(estimate_drift(sample(n)))


def test_one_frame_is_refused_and_so_are_wrong_segments() -> None:
    with pytest.raises(BlinkspotError, match="1 frames in so few segments"):
        finish(estimate_drift(sample(drift_nm=np.zeros((1, 2)))))
    with pytest.raises(BlinkspotError, match="at least 4 are compared"):
        finish(estimate_drift(sample(), segment_frames=200))
    with pytest.raises(BlinkspotError, match="at most 40 are compared"):
        finish(estimate_drift(sample(), segment_frames=1))


def test_molecules_all_in_one_place_give_numbers_or_a_sentence() -> None:
    frame = np.repeat(np.arange(100), 5)
    table = table_of(frame, np.full((500, 2), 1000.0), 100)
    try:
        found = finish(estimate_drift(table)).drift
    except BlinkspotError:
        return
    np.testing.assert_allclose(found.positions_nm, 0.0, atol=1e-3)


def test_frames_without_molecules_are_bridged() -> None:
    table = sample(60_000)
    frame = table.column("frame")
    found = finish(estimate_drift(table.chosen((frame < 120) | (frame >= 150)))).drift
    assert np.isfinite(found.positions_nm).all()
    assert rms(found.positions_nm, curved()) < 1.5


def test_progress_comes_often_and_ends_at_one() -> None:
    values: list[Progress] = []
    finish(estimate_drift(sample(3000)), values.append)
    assert len(values) > 100
    assert values[-1].fraction == 1.0
    by_step = itertools.groupby(values, key=lambda value: value.step)
    for _, group in by_step:
        done = [value.done for value in group]
        assert done == sorted(done)


# -- fiducials


def with_fiducials(
    places: list[tuple[float, float]], missing: float = 0.1, drift_nm: FloatArray | None = None
) -> LocalizationTable:
    rng = np.random.default_rng(8)
    drift_nm = curved(size_nm=500.0) if drift_nm is None else drift_nm
    n_frames = len(drift_nm)
    frames, found = [rng.integers(n_frames, size=2000)], [rng.uniform(0, FIELD_NM, (2000, 2))]
    for place in places:
        seen = np.flatnonzero(rng.random(n_frames) > missing)
        frames.append(seen)
        found.append(np.array(place) + drift_nm[seen] + rng.normal(0, 4.0, (len(seen), 2)))
    return table_of(np.concatenate(frames), np.concatenate(found), n_frames)


BEADS = [(2000.0, 2500.0), (5500.0, 3000.0), (4000.0, 6000.0)]


@pytest.mark.parametrize("positions", [BEADS, []], ids=["given", "looked for"])
def test_fiducials_give_the_drift(positions: list[tuple[float, float]]) -> None:
    truth = curved(size_nm=500.0)
    found = finish(drift_of_fiducials(with_fiducials(BEADS), positions))
    assert rms(found.drift.positions_nm, truth) < 4.0 / np.sqrt(3)
    assert sorted(map(tuple, found.places_nm.round(-2))) == sorted(BEADS)
    assert found.scatter_nm == pytest.approx([4.0] * 3, rel=0.3)
    assert found.presence == pytest.approx([0.9] * 3, abs=0.06)


def test_one_fiducial_is_enough_and_gaps_are_bridged() -> None:
    table = with_fiducials(BEADS[:1])
    frame = table.column("frame")
    found = finish(drift_of_fiducials(table.chosen((frame < 200) | (frame > 220)), BEADS[:1]))
    assert np.isfinite(found.drift.positions_nm).all()
    assert rms(found.drift.positions_nm, curved(size_nm=500.0)) < 4.0


def test_a_fiducial_that_moves_by_itself_is_left_out() -> None:
    table = with_fiducials(BEADS)
    loose = with_fiducials([(7000.0, 1000.0)], drift_nm=-curved(size_nm=500.0))
    both = LocalizationTable.from_columns(
        {
            name: np.concatenate([t.column(name) for t in (table, loose)])
            for name in ("frame", "x_nm", "y_nm")
        },
        provenance=table.provenance,
    )
    with pytest.raises(BlinkspotError, match="do not move together"):
        finish(drift_of_fiducials(both, [BEADS[0], (7000.0, 1000.0)]))
    found = finish(drift_of_fiducials(both, [*BEADS, (7000.0, 1000.0)]))
    assert len(found.places_nm) == 3
    assert rms(found.drift.positions_nm, curved(size_nm=500.0)) < 4.0


@pytest.mark.parametrize("frames", [3, 99])
def test_a_molecule_that_shines_through_a_short_movie_is_no_fiducial(frames: int) -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 15.0, (2, frames))
    table = LocalizationTable.from_columns(
        {"frame": np.arange(frames), "x_nm": 500.0 + noise[0], "y_nm": 800.0 + noise[1]}
    )
    with pytest.raises(BlinkspotError, match=f"In {frames} frames a fiducial cannot be told") as refusal:
        finish(drift_of_fiducials(table))
    assert "say where the fiducials are" in str(refusal.value)
    # Whoever names it answers for it.
    found = finish(drift_of_fiducials(table, [(500.0, 800.0)]))
    assert len(found.places_nm) == 1
    assert len(found.drift) == frames


def test_fiducials_that_are_not_there() -> None:
    table = with_fiducials(BEADS[:1])
    with pytest.raises(BlinkspotError, match="No fiducial is found in 80 %"):
        finish(drift_of_fiducials(sample(3000)))
    with pytest.raises(BlinkspotError, match="Nothing lies within 200 nm of x -9000, y 0 nm"):
        finish(drift_of_fiducials(table, [(-9000.0, 0.0)]))
    with pytest.raises(BlinkspotError, match="is found in only"):
        finish(drift_of_fiducials(table, [tuple(table.data[["x_nm", "y_nm"]].iloc[0])]))
    with pytest.raises(BlinkspotError, match="without molecules"):
        finish(drift_of_fiducials(sample(0)))


def test_whichever_molecule_of_a_dense_sample_shines_is_no_fiducial() -> None:
    rng = np.random.default_rng(3)
    frames, places = np.repeat(np.arange(150), 30), rng.uniform(0.0, 3200.0, (4500, 2))
    with pytest.raises(BlinkspotError, match="by more than 100 nm from frame to frame: these are other"):
        finish(drift_of_fiducials(table_of(frames, places, 150), radius_nm=500.0))
    with pytest.raises(BlinkspotError, match="x 1600, y 1600 nm scatters by"):
        finish(drift_of_fiducials(table_of(frames, places, 150), [(1600.0, 1600.0)], 500.0))
    # Dim beads scatter by as much, alone within a longer reach.
    dim = table_of(np.arange(150), rng.normal(1000.0, 30.0, (150, 2)), 150)
    with pytest.raises(BlinkspotError, match="or a longer one if it is a dim bead"):
        finish(drift_of_fiducials(dim, [(1000.0, 1000.0)], 100.0))
    assert len(finish(drift_of_fiducials(dim, [(1000.0, 1000.0)], 200.0)).places_nm) == 1
    # Nor does it count beside one; a fast drift is no scatter.
    bead = np.array([1000.0, 1000.0]) + np.outer(np.arange(150), [5.0, 0.0])
    both = table_of(np.concatenate([frames, np.arange(150)]), np.concatenate([places, bead]), 150)
    found = finish(drift_of_fiducials(both, radius_nm=500.0))
    assert len(found.places_nm) == 1
    np.testing.assert_allclose(found.drift.x_nm, 5.0 * np.arange(150), atol=3.0)


# -- steps


def test_the_step_records_the_drift_that_it_took_off_and_undoing_gives_it_back() -> None:
    table = sample()
    step = DriftCorrection("rcc")
    corrected = finish(step.apply(table))
    (entry,) = corrected.provenance["processing"]
    assert (entry["step"], entry["rows_before"], entry["rows_after"]) == ("drift", len(table), len(table))
    drift = drift_in(corrected)
    assert drift is not None
    np.testing.assert_array_equal(corrected.data, drift.apply(table).data)
    json.dumps(corrected.provenance, allow_nan=False)
    back = without_correction(corrected)
    np.testing.assert_allclose(back.data, table.data, rtol=0, atol=1e-9)
    assert back.provenance["processing"] == []
    assert recorded_steps(corrected) == [step]
    with pytest.raises(BlinkspotError, match="names no drift"):
        without_correction(back)


def test_only_the_last_of_two_drifts_is_undone_and_none_after_merging(tmp_path: Path) -> None:
    table = sample(500)
    for number, x_nm in enumerate((1.0, 10.0)):
        write_drift(Drift(np.full(N_FRAMES, x_nm), np.zeros(N_FRAMES)), tmp_path / f"{number}.csv")
    steps = [LoadedDrift(str(tmp_path / f"{number}.csv")) for number in range(2)]
    both = finish(process(table, steps))
    np.testing.assert_allclose(both.column("x_nm"), table.column("x_nm") - 11.0)
    np.testing.assert_allclose(without_correction(both).column("x_nm"), table.column("x_nm") - 1.0)
    record = [*both.provenance["processing"], {"step": "merge", "settings": {}}]
    merged = both.with_provenance({**both.provenance, "processing": record})
    with pytest.raises(BlinkspotError, match="were merged over frames"):
        without_correction(merged)


def test_steps_are_registered_and_rebuilt_from_json() -> None:
    for kind in (DriftCorrection, FiducialCorrection, LoadedDrift):
        assert STEPS[kind.name] is kind
    fiducials = FiducialCorrection(tuple(BEADS), 150.0, 0.7)
    corrected = finish(fiducials.apply(with_fiducials(BEADS)))
    kept = LocalizationTable(corrected.data, provenance=json.loads(json.dumps(corrected.provenance)))
    assert recorded_steps(kept) == [fiducials]
    assert FiducialCorrection((("1", "2.5"),)).positions_nm == ((1.0, 2.5),)  # type: ignore[arg-type]
    assert len(kept.provenance["processing"][0]["fiducials"]) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: DriftCorrection("aim"),  # type: ignore[arg-type]
        lambda: DriftCorrection(segment_frames=0),
        lambda: DriftCorrection(largest_shift_nm=0.0),
        lambda: DriftCorrection(largest_shift_nm=float("nan")),
        lambda: FiducialCorrection(radius_nm=-1.0),
        lambda: FiducialCorrection(least_presence=1.5),
        lambda: FiducialCorrection(((1.0, float("inf")),)),
        lambda: FiducialCorrection((1.0, 2.0)),  # type: ignore[arg-type]
        lambda: LoadedDrift(""),
        lambda: LoadedDrift("d.txt", 0.0),
    ],
)
def test_settings_that_are_not_allowed(make: Callable[[], object]) -> None:
    with pytest.raises(BlinkspotError, match=r"^(drift|fiducials|loaded_drift): .*must be .*not "):
        make()


# -- the picture


def test_picture_shows_the_path_in_both_formats(tmp_path: Path) -> None:
    from matplotlib.image import imread

    still, moved = Drift(np.zeros(50), np.zeros(50)), Drift(*curved(50).T)
    for name, drift in (("still.png", still), ("moved.png", moved)):
        draw_drift(drift, tmp_path / name, {"step": "drift"})
    blue = [
        (imread(tmp_path / name)[..., 2] - imread(tmp_path / name)[..., 0] > 0.5)
        for name in ("still.png", "moved.png")
    ]
    # The line of x lies level where nothing moves, and spreads over the height where the sample does.
    heights = [np.ptp(np.flatnonzero(each[:, : each.shape[1] // 2].any(axis=1))) for each in blue]
    assert heights[1] > 3 * heights[0]
    draw_drift(moved, tmp_path / "d.svg", {"step": "drift"})
    text = (tmp_path / "d.svg").read_text()
    assert "<svg" in text
    assert "&quot;step&quot;" in text or '"step"' in text
    draw_drift(Drift(np.zeros(1), np.zeros(1)), tmp_path / "one.png")
    with pytest.raises(BlinkspotError, match=r"drawn as \.png or \.svg"):
        draw_drift(moved, tmp_path / "d.jpg")


# -- the command


def test_command_takes_off_saves_draws_loads_and_undoes(
    tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    table = sample()
    table.save(tmp_path / "in.csv")
    save, picture = tmp_path / "d.csv", tmp_path / "d.png"
    answer = command(
        "drift",
        tmp_path / "in.csv",
        "-o",
        tmp_path / "out.csv",
        "--save",
        save,
        "--picture",
        picture,
        "--json",
    ).answer
    assert answer["frames"] == N_FRAMES
    assert picture.is_file()
    assert rms(read_drift(save).positions_nm, curved()) < 1.0
    assert answer["excursion_nm"] == pytest.approx(read_drift(save).excursion_nm)
    loaded, undone = tmp_path / "loaded.csv", tmp_path / "undone.csv"
    assert command("drift", tmp_path / "in.csv", "-o", loaded, "--load", save).status == 0
    np.testing.assert_allclose(read_table(loaded).data, read_table(tmp_path / "out.csv").data)
    assert command("drift", tmp_path / "out.csv", "-o", undone, "--undo").status == 0
    np.testing.assert_allclose(read_table(undone).data, table.data, rtol=0, atol=1e-4)
    pixels = tmp_path / "p.txt"
    command("drift", tmp_path / "in.csv", "-o", tmp_path / "x.csv", "--load", save, "--save", pixels)
    np.testing.assert_allclose(100.0 * np.loadtxt(pixels), read_drift(save).positions_nm, atol=1e-9)


def test_command_uses_fiducials(tmp_path: Path, command: Callable[..., Outcome]) -> None:
    with_fiducials(BEADS).save(tmp_path / "in.csv")
    words = [word for x, y in BEADS for word in ("--fiducials", f"{x},{y}")]
    for number, given_words in enumerate((words, ["--fiducials", "auto"])):
        answer = command(
            "drift", tmp_path / "in.csv", "-o", tmp_path / f"{number}.csv", *given_words, "--json"
        ).answer
        assert answer["fiducials"] == 3


def test_command_says_in_a_sentence_what_is_wrong(tmp_path: Path, command: Callable[..., Outcome]) -> None:
    sample(100).save(tmp_path / "in.csv")
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"

    def refused(words: str, *options: object) -> bool:
        return command("drift", source, "-o", target, *options).refuses(words) and not target.exists()

    assert refused("cannot be told from 100 molecules")
    assert refused("names no drift", "--undo")
    assert refused("Only one of", "--undo", "--fiducials", "auto")
    assert refused("takes 'auto', or x and y", "--fiducials", "5")
    assert refused("cannot be read", "--load", tmp_path / "none.csv")
    assert refused("is drawn as .png or .svg", "--picture", tmp_path / "d.gif")
    assert refused("is a file .csv, or Picasso's .txt", "--save", tmp_path / "d.json")
    assert command("drift", source, "-o", tmp_path / "out.txt").refuses("needs such a name")


def test_what_went_by_corrected_positions_is_not_undone_below_it() -> None:
    steps = [DriftCorrection("rcc"), Rectangle(x_from_nm=0.0)]
    with pytest.raises(BlinkspotError, match="went through rectangle"):
        without_correction(finish(process(sample(), steps)))
    with pytest.raises(BlinkspotError, match="'processing' is not a list"):
        without_correction(sample(100).with_provenance({"processing": 3}))


def test_two_results_of_one_name_are_refused_beforehand(
    tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    sample(100).save(tmp_path / "in.csv")
    out = tmp_path / "out.csv"
    outcome = command("drift", tmp_path / "in.csv", "-o", out, "--save", out)
    assert outcome.refuses("Two results would be written")
    assert not out.exists()
