"""Fourier ring correlation and NeNA, against closed forms and brute force."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.resolution import ResolutionSettings, measure_resolution, nena
from blinkspot.evaluation.resolution.crossing import THRESHOLD, first_crossing, smoothed
from blinkspot.evaluation.resolution.halves import halves
from blinkspot.evaluation.resolution.ring_correlation import ring_correlation
from blinkspot.evaluation.resolution.spectrum import Field
from blinkspot.evaluation.resolution.successors import successor_distances
from blinkspot.localization import LocalizationTable
from blinkspot.progress import Stopwatch, finish

FIELD_NM = 5000.0
FRAMES = 500


def table_of(frame: np.ndarray, places: np.ndarray, **columns: np.ndarray) -> LocalizationTable:
    return LocalizationTable.from_columns(
        {"frame": frame, "x_nm": places[:, 0], "y_nm": places[:, 1], **columns}
    )


def repeated(sites: int, times: int, precision_nm: float, seed: int) -> LocalizationTable:
    """Return sites anywhere, each found so many times, in frames that are independent."""
    random = np.random.default_rng(seed)
    places = np.repeat(random.uniform(0, FIELD_NM, (sites, 2)), times, axis=0)
    found = places + random.normal(0.0, precision_nm, places.shape)
    return table_of(random.integers(0, FRAMES, len(found)), found)


def blinking(blinks: int, precision_nm: float, seed: int, mean_on: float = 3.0) -> LocalizationTable:
    random = np.random.default_rng(seed)
    on = random.geometric(1.0 / mean_on, blinks)
    blink = np.repeat(np.arange(blinks), on)
    since = np.arange(len(blink)) - np.repeat(np.cumsum(on) - on, on)
    places = random.uniform(0, FIELD_NM, (blinks, 2))[blink]
    frame = random.integers(0, FRAMES, blinks)[blink] + since
    return table_of(frame, places + random.normal(0.0, precision_nm, places.shape))


def doubled(table: LocalizationTable) -> LocalizationTable:
    """Return a table with every localization in an even frame and in the odd one after."""
    places = table.data[["x_nm", "y_nm"]].to_numpy()
    frame = table.column("frame") * 2
    return table_of(np.concatenate([frame, frame + 1]), np.concatenate([places, places]))


# -- ring correlation


def test_halves_that_are_the_same_correlate_by_one():
    table = doubled(repeated(300, 1, 0.0, 1))
    found = finish(ring_correlation(table, ResolutionSettings("odd-even", frames_per_block=1), 20.0))
    np.testing.assert_allclose(found.correlation, 1.0, atol=1e-4)
    assert found.resolution_nm is None
    assert "agree down to the smallest scale" in found.reason


@pytest.mark.parametrize("split", ["localizations", "blocks", "odd-even"])
def test_molecules_anywhere_do_not_correlate(split):
    table = repeated(20_000, 1, 0.0, 2)
    found = finish(ring_correlation(table, ResolutionSettings(split), 20.0))
    n = 2.0 * math.pi * np.arange(len(found.correlation)) / 2.0
    independent = found.splits if split == "odd-even" else 1  # splits share their molecules
    scatter = found.correlation[5:] * np.sqrt(n[5:] * independent)
    assert abs(found.correlation[5:].mean()) < 0.01
    assert scatter.std() < 1.6
    assert found.resolution_nm is None
    assert "nothing in common" in found.reason


@pytest.mark.parametrize("precision_nm", [8.0, 20.0])
@pytest.mark.parametrize("times", [6, 20])
def test_sites_found_again_are_resolved_as_theory_has_it(precision_nm, times):
    # Of n localizations of a site, on average n (n - 1) / 4 pairs fall into different halves. With
    # a = (n - 1) / 2 and g = exp(-(2 pi q s)^2) the correlation is a g / (1 + a g), and 1/7 where 6 a g = 1.
    table = repeated(12_000 // times, times, precision_nm, times)
    for split in ("localizations", "blocks"):
        settings = ResolutionSettings(split, splits=3, frames_per_block=5 if split == "blocks" else None)
        found = finish(ring_correlation(table, settings, precision_nm))
        theory_nm = 2.0 * math.pi * precision_nm / math.sqrt(math.log(3.0 * (times - 1)))
        assert found.resolution_nm == pytest.approx(theory_nm, rel=0.05)
        a, q = (times - 1) / 2.0, found.frequency_per_nm
        g = np.exp(-((2.0 * math.pi * q * precision_nm) ** 2))
        expected = a * g / (1.0 + a * g)
        assert np.abs(found.smoothed - expected)[10:].max() < 0.08


def test_a_molecule_in_several_frames_correlates_with_itself_unless_its_blink_stays_together():
    table = blinking(8000, 10.0, 3, mean_on=4.0)
    by_one = finish(ring_correlation(table, ResolutionSettings("localizations"), 10.0))
    by_blocks = finish(ring_correlation(table, ResolutionSettings("blocks", frames_per_block=50), 10.0))
    # All sites are seen once: nothing is there to be resolved.
    assert by_one.resolution_nm < 60.0
    assert by_blocks.correlation[5:50].mean() < 0.25 * by_one.correlation[5:50].mean()


def test_a_wide_field_has_the_resolution_of_a_square_one():
    table = repeated(1000, 10, 10.0, 5)
    narrow = table.chosen(table.column("y_nm") < 0.3 * FIELD_NM)
    settings = ResolutionSettings("localizations")
    whole, part = (finish(ring_correlation(each, settings, 10.0)).resolution_nm for each in (table, narrow))
    assert part == pytest.approx(whole, rel=0.08)


@given(
    shape=st.tuples(st.integers(32, 61), st.integers(32, 61)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_the_spectrum_in_parts_is_that_of_the_picture(shape, seed):
    random = np.random.default_rng(seed)
    field = Field(5.0, shape)
    rows, columns = (random.integers(0, length, 200) for length in shape)
    rows = np.sort(rows)
    of_first = random.random(200) < 0.5
    clock = Stopwatch("", 1.0)
    whole = finish(field.spectrum(rows, columns, clock, (0.0, 1.0)))
    half = finish(field.spectrum(rows[of_first], columns[of_first], clock, (0.0, 1.0)))

    from scipy.signal.windows import tukey

    window = np.multiply.outer(*(tukey(length, 0.25) for length in shape))

    def transformed(kept: np.ndarray) -> np.ndarray:
        picture = np.zeros(shape)
        np.add.at(picture, (rows[kept], columns[kept]), 1.0)
        mean = (picture * window).sum() / window.sum()
        return np.fft.fft2((picture - mean) * window, field.padded)

    first, second = transformed(of_first), transformed(~of_first)
    np.testing.assert_allclose(half, first[:, : half.shape[1]], atol=1e-3)
    step = min(field.padded)
    # In the same arithmetic, so that what lies between two rings is put on the same one.
    down, along = (np.rint(np.fft.fftfreq(n, 1.0 / n)) * (step / n) for n in field.padded)
    ring = (np.sqrt(along**2 + (down**2)[:, None]) + 0.5).astype(int)
    sums = finish(field.ring_sums(whole, half, clock, 0.0))
    # The highest ring may hold the frequency of one period in two pixels, which has no mirror.
    for number in range(field.n_rings - 1):
        on = ring == number
        expected = (first * second.conj()).real[on], np.abs(first[on]) ** 2, np.abs(second[on]) ** 2
        np.testing.assert_allclose(sums[:3, number], [each.sum() for each in expected], rtol=1e-3, atol=0.1)
        assert sums[3, number] == on.sum()


@pytest.mark.parametrize("ring", [8.0, 30.0, 110.0])
def test_the_crossing_is_found_wherever_it_is(ring):
    rings = np.arange(400.0)
    curve = 1.0 / (1.0 + 6.0 * (rings / ring) ** 4)  # 1/7 at `ring`
    found = first_crossing(curve, 2.0 * math.pi * rings + 1.0)
    assert found.ring == pytest.approx(ring, rel=0.06)


def test_smoothing_keeps_lines_and_averages_noise():
    n = np.linspace(1.0, 100.0, 80)
    line = 3.0 - 0.2 * np.arange(80.0)
    np.testing.assert_allclose(smoothed(line, n, 9), line, atol=1e-12)
    noise = np.random.default_rng(0).normal(size=80)
    assert smoothed(noise, n, 21).std() < 0.5


def test_chance_in_the_first_rings_is_no_resolution():
    n = 2.0 * math.pi * np.arange(300) + 1.0
    for seed in range(30):
        curve = np.random.default_rng(seed).normal(size=300) * np.sqrt(2.0 / n)
        assert first_crossing(curve, n).ring is None


@given(n_frames=st.integers(2, 400), n=st.integers(50, 200), seed=st.integers(0, 99))
def test_blocks_stay_together_and_halves_are_about_equal(n_frames, n, seed):
    random = np.random.default_rng(seed)
    frame = np.concatenate([np.arange(n_frames), random.integers(0, n_frames, n)])
    for split in ("blocks", "odd-even"):
        for first in halves(frame, ResolutionSettings(split, splits=2, seed=seed)):
            in_frame = np.zeros(n_frames, int)
            np.maximum.at(in_frame, frame, first + 1)
            assert np.array_equal(first + 1, in_frame[frame])
            assert 0.15 < np.mean(first[:n_frames]) < 0.85
    (one,) = halves(frame, ResolutionSettings("localizations", splits=1))
    assert one.sum() == len(frame) // 2


# -- NeNA


@given(n=st.integers(0, 120), seed=st.integers(0, 1000), reach=st.floats(5.0, 80.0))
@settings(max_examples=40, deadline=None)
def test_pairs_in_successive_frames_are_all_counted(n, seed, reach):
    random = np.random.default_rng(seed)
    frame, places = random.integers(0, 6, n), random.uniform(0, 100, (n, 2))
    counts = finish(successor_distances(table_of(frame, places), reach, 10))
    distance = cdist(places, places)[(frame[None, :] - frame[:, None]) == 1]
    expected, _ = np.histogram(distance[distance < reach], 10, (0.0, reach))
    assert counts.sum() == expected.sum()
    np.testing.assert_array_equal(counts, expected)


def test_a_pair_just_within_reach_is_in_the_last_bin():
    reach = 117.4  # the next number below it times 1000 / 117.4 is 1000, rounded
    places = np.array([[0.0, 0.0], [np.nextafter(reach, 0.0), 0.0]])
    counts = finish(successor_distances(table_of(np.array([0, 1]), places), reach, 1000))
    assert counts[-1] == counts.sum() == 1


@pytest.mark.parametrize("precision_nm", [2.0, 12.0, 45.0])
def test_the_precision_is_that_of_the_errors(precision_nm):
    blinks = 8000
    table = blinking(blinks, precision_nm, 7)
    found = finish(nena(table))
    assert found.precision_nm == pytest.approx(precision_nm, rel=0.02)
    assert abs(found.precision_nm - precision_nm) < 5.0 * found.error_nm
    assert found.of_one_molecule.sum() == pytest.approx(len(table) - blinks, rel=0.05)
    np.testing.assert_allclose(found.fitted.sum(), found.pairs.sum(), rtol=0.03)


def test_neighbours_do_not_spoil_the_precision():
    dense = blinking(60_000, 12.0, 8)
    assert finish(nena(dense)).precision_nm == pytest.approx(12.0, rel=0.03)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (repeated(3000, 1, 0.0, 1), "pairs of localizations|no molecule that was found in both"),
        (
            table_of(
                np.arange(200) % 9,
                np.random.default_rng(0).uniform(0, 100, (200, 2)),
                detections=np.full(200, 2),
            ),
            "were merged",
        ),
        (table_of(np.zeros(200), np.random.default_rng(0).uniform(0, 100, (200, 2))), "Only 0 pairs"),
    ],
    ids=["never twice", "merged", "one frame"],
)
def test_no_precision_without_molecules_in_successive_frames(table, words):
    found = finish(nena(table))
    assert found.precision_nm is None
    assert any(word in found.reason for word in words.split("|"))


# -- both


def test_the_whole_is_json_ready_and_says_what_made_it():
    found = finish(measure_resolution(blinking(3000, 10.0, 1), ResolutionSettings(splits=2, seed=5)))
    record = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert record["provenance"]["settings"] == dataclasses.asdict(ResolutionSettings(splits=2, seed=5))
    assert record["nena"]["precision_nm"] == pytest.approx(10.0, rel=0.05)
    assert record["ring_correlation"]["pixel_size_nm"] == pytest.approx(found.nena.precision_nm / 2.0)


def test_the_same_seed_gives_the_same_result():
    table = repeated(500, 10, 10.0, 1)
    once, again = (finish(measure_resolution(table, ResolutionSettings(pixel_size_nm=6.0))) for _ in range(2))
    assert once.ring_correlation.resolution_nm == again.ring_correlation.resolution_nm


def test_progress_never_falls_and_ends_whole():
    job = ring_correlation(repeated(500, 10, 10.0, 1), ResolutionSettings(splits=2), 10.0)
    done = [progress.fraction for progress in job]
    assert done == sorted(done)
    assert done[-1] == 1.0


def test_tables_that_are_fitted_on_a_denoised_movie_and_single_splits_are_marked():
    table = blinking(3000, 10.0, 1).with_provenance({"settings": {"fit_on": "denoised"}})
    found = finish(measure_resolution(table, ResolutionSettings("localizations", splits=1)))
    assert all(
        word in sentence for word, sentence in zip(("denoised", "both halves"), found.warnings, strict=True)
    )


def test_nothing_is_said_of_a_nena_that_was_not_measured():
    every_other = blinking(3000, 10.0, 1).with_provenance({"settings": {"fit_on": "denoised"}})
    every_other = every_other.chosen(every_other.column("frame") % 2 == 0)
    found = finish(measure_resolution(every_other, ResolutionSettings(pixel_size_nm=10.0)))
    assert found.nena.precision_nm is None
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("table", "settings", "words"),
    [
        (repeated(50, 1, 0.0, 1), ResolutionSettings(), "at least 100"),
        (
            table_of(np.zeros(200), np.random.default_rng(0).uniform(0, 5000, (200, 2))),
            ResolutionSettings(pixel_size_nm=9),
            "too few for two blocks",
        ),
        (repeated(500, 1, 0.0, 1), ResolutionSettings(), "how precise"),
        (repeated(500, 1, 0.0, 1), ResolutionSettings(pixel_size_nm=0.2), "too much"),
        (repeated(500, 1, 0.0, 1), ResolutionSettings(pixel_size_nm=500), "only"),
        (
            repeated(500, 1, 0.0, 1),
            ResolutionSettings(pixel_size_nm=9, frames_per_block=400),
            "shorter blocks",
        ),
    ],
    ids=["few", "one frame", "unknown precision", "too large", "too small", "one block"],
)
def test_what_cannot_be_measured_is_one_sentence(table, settings, words):
    with pytest.raises(BlinkspotError, match=words) as error:
        finish(measure_resolution(table, settings))
    assert ". " not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"split": "halves"},
        {"frames_per_block": 0},
        {"split": "localizations", "frames_per_block": 3},
        {"splits": 0},
        {"pixel_size_nm": -1.0},
        {"largest_distance_nm": math.nan},
        {"largest_distance_nm": 1e300},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BlinkspotError):
        ResolutionSettings(**wrong)


def test_the_threshold_is_one_seventh():
    assert pytest.approx(1 / 7) == THRESHOLD
