import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules import mean_counts
from scipy.spatial import cKDTree

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import score
from blinkspot.localization import Localizer, LocalizerSettings, read_table
from blinkspot.localization.table import COLUMNS
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
CAMERAS = {
    "default": Camera(pixel_size_nm=80.0, offset_adu=414.0, electrons_per_adu=3.6),
    "low120": CAMERA,
    "yfp3_bg100": CAMERA,
    "yfp4_bg100": Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=100.0),
    "blinking_low60": CAMERA,
}
# What ThunderSTORM reaches on the noisy movies with its defaults: weighted least squares, maximum likelihood.
THUNDERSTORM_F1 = {
    "default": (0.917, 0.913),
    "low120": (0.809, 0.858),
    "yfp3_bg100": (0.917, 0.911),
    "yfp4_bg100": (0.873, 0.869),
    "blinking_low60": (0.406, 0.500),
}


def movie_of_noise(seed, n_frames=6, size=48):
    """Molecules at random places of an EM camera, ADU."""
    random = np.random.default_rng(seed)
    frames = np.empty((n_frames, size, size))
    for frame in frames:
        mean = np.full((size, size), 5.0)
        for _ in range(12):
            x, y = random.uniform(0, size - 1, 2)
            mean += mean_counts(np.array([x, y, 1.1, random.uniform(80, 400), 0.0]), (size, size))
        electrons = random.poisson(mean)
        frame[:] = np.where(electrons > 0, random.gamma(np.maximum(electrons, 1)), 0.0)
    return CAMERA.adu(frames)


@pytest.fixture(scope="module")
def localized(shared_data):
    """The table of a simulated movie, at a low threshold, and its truth; each movie is localized once."""
    known = {}

    def localize(name, fit):
        if (name, fit) not in known:
            movie = tifffile.imread(shared_data / "simulated" / f"{name}.tif")
            localizer = Localizer(CAMERAS[name], LocalizerSettings(threshold=0.8, fit=fit))
            truth = read_table(shared_data / "simulated" / f"{name}_truth.csv")
            known[name, fit] = finish(localizer.localize(movie)), truth
        return known[name, fit]

    return localize


@pytest.mark.parametrize("name", CAMERAS)
def test_simulated_movies_score_above_thunderstorm(localized, name):
    for fit, reference in zip(("wlsq", "mle"), THUNDERSTORM_F1[name], strict=True):
        found, truth = localized(name, fit)
        assert score(found.above(1.0), truth).f1 > reference


def test_low120_reaches_what_was_asked_for(localized):
    found, truth = localized("low120", "mle")
    assert score(found.above(1.3), truth).f1 > 0.90


def test_a_molecule_is_found_in_nm_and_photons():
    truth = np.array([20.3, 11.6, 1.2, 900.0, 20.0])
    frame = CAMERA.adu(mean_counts(truth, (32, 40)))
    table = Localizer(CAMERA).localize_frame(frame)
    assert list(table.data.columns) == [*COLUMNS, "log_likelihood_ratio", "deviance", "p_value"]
    assert len(table) == 1
    found = table.data.iloc[0]
    assert found["frame"] == 0
    # A pixel's centre is half a pixel from its corner, where ThunderSTORM has its origin.
    assert found["x_nm"] == pytest.approx(20.8 * 100, abs=0.2)
    assert found["y_nm"] == pytest.approx(12.1 * 100, abs=0.2)
    assert found["sigma_nm"] == pytest.approx(120, abs=0.2)
    assert found["photons"] == pytest.approx(900, rel=2e-3)
    assert found["background_photons"] == pytest.approx(20, rel=1e-2)


def test_read_noise_is_not_background():
    camera = Camera(read_noise_electrons=3.0)
    frame = camera.adu(mean_counts(np.array([15.0, 16.0, 1.2, 900.0, 20.0]), (32, 32)))
    found = Localizer(camera).localize_frame(frame).data.iloc[0]
    assert found["background_photons"] == pytest.approx(20, rel=1e-2)
    quiet = Localizer(Camera()).localize_frame(frame).data.iloc[0]
    assert found["uncertainty_nm"] > quiet["uncertainty_nm"]


def test_residual_and_uncertainty_are_in_photons_and_nm():
    movie = movie_of_noise(3, n_frames=30)
    table = finish(Localizer(CAMERA, LocalizerSettings(threshold=1.5)).localize(movie))
    # On 5 photons EM noise has the standard deviation sqrt(10), on molecules more.
    assert 3.0 < np.median(table.column("background_std_photons")) < 6.0
    coarse = Camera(pixel_size_nm=200.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
    twice = finish(Localizer(coarse, LocalizerSettings(threshold=1.5)).localize(movie))
    for name in ("x_nm", "y_nm", "sigma_nm", "uncertainty_nm"):
        np.testing.assert_allclose(twice.column(name), 2 * table.column(name), rtol=1e-9)


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
@given(st.integers(0, 1000), st.floats(0.3, 1.0), st.floats(1.0, 3.0))
@settings(max_examples=25, deadline=None)
def test_a_higher_threshold_is_a_filter_of_the_table(fit, seed, low, factor):
    movie = movie_of_noise(seed, n_frames=2)
    many = finish(Localizer(CAMERA, LocalizerSettings(threshold=low, fit=fit)).localize(movie))
    few = finish(Localizer(CAMERA, LocalizerSettings(threshold=low * factor, fit=fit)).localize(movie))
    assert many.above(low * factor).data.equals(few.data)


def test_no_two_localizations_of_a_frame_are_within_a_pixel():
    table = finish(Localizer(CAMERA, LocalizerSettings(threshold=0.2)).localize(movie_of_noise(1)))
    for frame in range(6):
        places = np.column_stack([table.in_frame(frame).column(axis) for axis in ("x_nm", "y_nm")])
        assert not cKDTree(places).query_pairs(99.999)


def test_frames_are_localized_alone_as_in_their_movie(monkeypatch):
    movie = movie_of_noise(2, n_frames=7)
    # Nothing to be learned from the other frames.
    localizer = Localizer(CAMERA, LocalizerSettings(widths="free", initial_sigma_px=1.3))
    whole = finish(localizer.localize(movie))
    assert len(whole) > 30
    for index in range(7):
        alone = localizer.localize_frame(movie[index]).data.drop(columns="frame")
        assert alone.equals(whole.in_frame(index).data.drop(columns="frame"))
    monkeypatch.setattr("blinkspot.localization.localizer.PIXELS_READ_AT_ONCE", 2 * 48 * 48)
    monkeypatch.setattr("blinkspot.localization.frame.CANDIDATES_FITTED_AT_ONCE", 3)
    assert finish(localizer.localize(movie)).data.equals(whole.data)


class TestWithDenoised:
    raw = movie_of_noise(4, n_frames=3)

    def localize(self, denoised, **how):
        return finish(Localizer(CAMERA, LocalizerSettings(**how)).localize(self.raw, denoised))

    def test_candidates_come_from_the_denoised_movie_and_pixels_from_the_raw_one(self):
        # The same molecules, half of them hidden from the detection.
        denoised = self.raw.copy()
        denoised[:, :, 24:] = denoised.min()
        plain, guided = self.localize(None), self.localize(denoised)
        assert guided.column("x_nm").max() < 26 * 100 < plain.column("x_nm").max()
        assert guided.uncertainty_is_valid
        assert guided.provenance["candidates_from"] == "denoised"
        left = {tuple(np.round(row, 0)) for row in plain.data[["frame", "x_nm", "y_nm"]].to_numpy()}
        again = [tuple(np.round(row, 0)) in left for row in guided.data[["frame", "x_nm", "y_nm"]].to_numpy()]
        assert np.mean(again) > 0.5

    def test_strength_is_measured_where_candidates_come_from(self):
        denoised = (self.raw - 100.0) * 3.0 + 100.0
        np.testing.assert_allclose(
            self.localize(denoised).column("detection_strength"),
            self.localize(None).column("detection_strength"),
            rtol=1e-4,
        )

    def test_fits_on_denoised_pixels_say_that_their_uncertainty_is_not_valid(self):
        denoised = (self.raw - 100.0) * 3.0 + 100.0
        plain, fitted = self.localize(None), self.localize(denoised, fit_on="denoised")
        assert not fitted.uncertainty_is_valid
        assert fitted.column("photons").sum() == pytest.approx(3 * plain.column("photons").sum(), rel=0.02)

    def test_another_shape_is_refused(self):
        with pytest.raises(BlinkspotError, match="denoised movie has the shape"):
            self.localize(self.raw[:, :40])
        with pytest.raises(BlinkspotError, match="shape"):
            Localizer(CAMERA).localize_frame(self.raw[0], self.raw[0, :40])

    def test_fits_on_a_denoised_movie_need_one(self):
        with pytest.raises(BlinkspotError, match="none was given"):
            self.localize(None, fit_on="denoised")


def test_progress_counts_frames_and_a_job_can_be_closed(monkeypatch):
    monkeypatch.setattr("blinkspot.localization.localizer.SECONDS_BETWEEN_PROGRESS", 0.0)
    job = Localizer(CAMERA).localize(movie_of_noise(0))
    steps = [value for value in (next(job), next(job), next(job)) if value.step == "localizing"]
    assert [value.done for value in steps] == sorted(value.done for value in steps)
    assert all(value.total == 6 for value in steps)
    job.close()
    values = []
    finish(Localizer(CAMERA).localize(movie_of_noise(0)), values.append)
    assert values[-1].fraction == 1.0


def test_progress_comes_every_100_ms():
    random = np.random.default_rng(0)
    frames = CAMERA.adu(random.gamma(5, size=(1, 512, 512)).astype(np.float32)).repeat(3, axis=0)
    localizer = Localizer(CAMERA, LocalizerSettings(threshold=0.2))
    finish(localizer.localize(frames[:2]))
    times = [time.thread_time()]
    finish(localizer.localize(frames), lambda _: times.append(time.thread_time()))
    assert max(np.diff(times)) < 0.1


@pytest.mark.parametrize("value", [0, 100, 65535])
def test_frames_without_anything_give_an_empty_table(value):
    table = finish(Localizer(CAMERA).localize(np.full((3, 20, 20), value, dtype=np.uint16)))
    assert len(table) == 0
    assert list(table.data.columns) == [*COLUMNS, "log_likelihood_ratio", "deviance", "p_value"]
    assert table.data["frame"].dtype == np.int64


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_frame_that_is_not_finite_is_named(bad):
    movie = movie_of_noise(0)
    movie[4, 3, 3] = bad
    with pytest.raises(
        BlinkspotError, match=r"Frame 5 \(counting from 1\) of the movie holds NaN or infinite"
    ):
        finish(Localizer(CAMERA).localize(movie))


def test_a_movie_is_no_frame():
    with pytest.raises(BlinkspotError, match="two axes"):
        Localizer(CAMERA).localize_frame(movie_of_noise(0))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0.0),
        ("threshold", float("nan")),
        ("threshold", -1.0),
        ("fit", "least squares"),
        ("fit_on", "both"),
        ("fit_window_px", 6),
        ("fit_window_px", 3),
        ("initial_sigma_px", 0.0),
        ("initial_sigma_px", 9.0),
        ("widths", "narrow"),
        ("threshold", "1"),
        ("threshold", None),
        ("fit_window_px", 7.0),
        ("most_emitters", True),
        ("most_emitters", 2.5),
        ("false_per_frame", "1"),
        ("preset", "picasso"),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(BlinkspotError):
        LocalizerSettings(**{name: value})


def test_the_table_knows_what_made_it(tmp_path):
    movie = Stack(
        movie_of_noise(0), path=tmp_path / "movie.tif", metadata={"provenance": {"step": "simulate"}}
    )
    made = finish(Localizer(CAMERA, LocalizerSettings(fit="wlsq")).localize(movie)).provenance
    assert made["settings"]["fit"] == "wlsq"
    assert Camera.from_dict(made["camera"]) == CAMERA
    assert made["movie"] == {"name": "movie.tif", "shape": [6, 48, 48], "provenance": {"step": "simulate"}}


@pytest.mark.parametrize(
    ("chosen", "idle"),
    [
        ({"false_per_frame": 0.5}, {"threshold": 1.7}),
        ({}, {}),
        ({"preset": "thunderstorm", "fit": "wlsq"}, {}),
    ],
)
def test_the_record_names_what_had_a_say_and_nothing_else(chosen, idle):
    movie = movie_of_noise(2, n_frames=3)
    one, other = (
        finish(Localizer(CAMERA, LocalizerSettings(**settings)).localize(movie))
        for settings in (chosen, chosen | idle)
    )
    assert one.data.equals(other.data)
    record = one.provenance["settings"]
    assert record == other.provenance["settings"]
    assert record == LocalizerSettings(**chosen).used()
    assert record.items() >= chosen.items()
    assert set(record).isdisjoint(idle)
    # Whatever is recorded makes the same settings again, also where it lacks what had no say.
    assert LocalizerSettings(**record) == LocalizerSettings(**chosen)


def test_of_settings_that_exclude_each_other_those_in_use_are_recorded():
    assert "equal_photons" not in LocalizerSettings().used()
    assert LocalizerSettings(most_emitters=2, equal_photons=True).used()["equal_photons"]
    assert {"threshold", "widths", "fit_window_px"} <= set(LocalizerSettings().used())
    assert set(LocalizerSettings(preset="thunderstorm").used()) == {
        "threshold", "fit", "fit_on", "initial_sigma_px", "fit_window_px", "preset",
    }  # fmt: skip


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
def test_the_preset_gives_thunderstorms_table(shared_data, fit):
    movie = open_stack(shared_data / "simulated" / "low120.tif").frames(0, 12)
    settings = LocalizerSettings(preset="thunderstorm", fit=fit)
    ours = finish(Localizer(CAMERAS["low120"], settings).localize(movie))
    theirs = read_table(shared_data / "simulated" / f"low120_thunderstorm_{fit}.csv")
    theirs = theirs.chosen(theirs.column("frame") < 12)
    assert len(ours) == len(theirs)
    for name in ("frame", "x_nm", "y_nm"):
        np.testing.assert_allclose(ours.column(name), theirs.column(name), atol=0.01)
    np.testing.assert_allclose(ours.column("uncertainty_nm"), theirs.column("uncertainty_nm"), rtol=1e-3)
    assert ours.provenance["settings"]["preset"] == "thunderstorm"


def test_the_preset_fits_the_movie_in_which_it_looks():
    movie = movie_of_noise(3, n_frames=2)
    smooth = (movie + 200.0) / 3.0
    how = LocalizerSettings(preset="thunderstorm", fit="wlsq", fit_on="denoised")
    on_denoised = finish(Localizer(CAMERA, how).localize(movie, smooth))
    alone = finish(Localizer(CAMERA, replace(how, fit_on="raw")).localize(smooth))
    assert len(alone) > 5
    assert on_denoised.data.equals(alone.data)
    assert not on_denoised.uncertainty_is_valid
    with pytest.raises(BlinkspotError, match="looks for molecules where it fits them"):
        Localizer(CAMERA, replace(how, fit_on="raw")).localize(movie, smooth)


@pytest.mark.parametrize("settings", [{"widths": "free"}, {"false_per_frame": 0.1}])
def test_the_preset_refuses_what_thunderstorm_has_not(settings):
    with pytest.raises(BlinkspotError, match="ThunderSTORM's analysis has free widths and a threshold"):
        LocalizerSettings(preset="thunderstorm", **settings)


MAPS = np.random.default_rng(8)
CMOS = Camera(
    maps=CameraMaps(
        offset_adu=MAPS.normal(100.0, 1.0, (40, 34)),
        variance_adu2=MAPS.gamma(2.0, 4.0, (40, 34)),
        adu_per_electron=MAPS.normal(2.0, 0.05, (40, 34)),
    )
)


@pytest.mark.parametrize("camera", [CAMERA, replace(CAMERA, em_gain=1.0), CMOS], ids=["EM", "CCD", "sCMOS"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"guided": True},
        {"guided": True, "fit_on": "denoised"},
        {"fit": "lsq", "widths": "fixed"},
        {"fit": "wlsq", "widths": "free"},
        {"widths": "elliptical"},
        {"false_per_frame": 1.0},
        {"most_emitters": 3},
    ],
    ids=lambda how: " ".join(map(str, how)) or "plain",
)
def test_many_frames_at_once_are_localized_as_each_alone(camera, how, monkeypatch):
    """Spots on every border, so that a window that reached into the next frame would be noticed."""
    random = np.random.default_rng(6)
    mean = np.full((9, 40, 34), 4.0)
    for frame in mean:
        edges = [(0.2, 12.0), (33.1, 20.0), (15.0, -0.3), (20.0, 39.4)]
        for x, y in [*edges, *zip(random.uniform(0, 33, 8), random.uniform(0, 39, 8), strict=True)]:
            frame += mean_counts(np.array([x, y, 1.2, random.uniform(150, 900), 0.0]), frame.shape)
    # A frame without anything, whose neighbours are bright.
    mean[4] = 0.0
    movie = camera.adu(random.poisson(mean).astype(np.float32))
    denoised = camera.adu(mean.astype(np.float32)) if how.get("guided") else None
    settings = {name: value for name, value in how.items() if name != "guided"}
    localizer = Localizer(camera, LocalizerSettings(threshold=0.7, **settings))
    together = finish(localizer.localize(movie, denoised))
    monkeypatch.setattr("blinkspot.localization.localizer.PIXELS_LOCALIZED_AT_ONCE", 1)
    monkeypatch.setattr("blinkspot.localization.psf_learning._FRAMES_AT_ONCE", 1)
    alone = finish(localizer.localize(movie, denoised))
    assert together.data.equals(alone.data)
    assert together.data.groupby("frame").size().drop(4, errors="ignore").min() >= 4


def test_the_frame_that_is_not_finite_is_named_among_those_of_the_denoised_movie():
    movie = movie_of_noise(0, n_frames=9)
    denoised = movie.copy()
    denoised[7, 0, 0] = np.nan
    # Its width given, the movie is not looked at beforehand.
    localizer = Localizer(CAMERA, LocalizerSettings(widths="free", initial_sigma_px=1.2))
    with pytest.raises(BlinkspotError, match=r"Frame 8 \(counting from 1\) of the denoised movie"):
        finish(localizer.localize(movie, denoised))
