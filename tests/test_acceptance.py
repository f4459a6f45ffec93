"""The number of false molecules on empty frames is the one that was asked for."""

import numpy as np
import pytest

from blinkspot import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization import Localizer, LocalizerSettings, acceptance
from blinkspot.localization.acceptance import EmptyFrames, FalseMolecules, false_molecules
from blinkspot.localization.frame import FrameLocalizer
from blinkspot.localization.psf import PsfWidth
from blinkspot.progress import finish

EMCCD = Camera(offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
CMOS = Camera(offset_adu=100.0, electrons_per_adu=0.5, read_noise_electrons=1.6)


@pytest.fixture(scope="module", autouse=True)
def thorough_counts(thorough_empty_frames):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceptance, "FRAMES", thorough_empty_frames)
        patch.setattr(acceptance, "_known", {})
        yield


@pytest.mark.parametrize("camera", [EMCCD, CMOS], ids=["EM", "CMOS"])
@pytest.mark.parametrize("background", [2.0, 50.0])
def test_empty_frames_give_as_many_as_were_asked_for(camera, background):
    asked, shape, n_frames = 3.0, (128, 128), 120
    random = np.random.default_rng(21)
    electrons = random.poisson(background, (n_frames, *shape)).astype(float)
    if camera.em_gain > 1:
        electrons = random.gamma(electrons, camera.em_gain)
    electrons += random.normal(0.0, camera.read_noise_electrons, electrons.shape)
    movie = np.round(electrons / camera.electrons_per_adu + camera.offset_adu)
    settings = LocalizerSettings(false_per_frame=asked)
    table = finish(Localizer(camera, settings).localize(movie))
    assert len(table) / n_frames == pytest.approx(asked, rel=0.2)
    reached = table.provenance["learned"]["acceptance"]["log_likelihood_ratio"]
    assert table.column("log_likelihood_ratio").min() >= reached


@pytest.mark.parametrize("widths", ["fixed", "elliptical"])
def test_the_law_is_that_of_the_widths_that_are_fitted(widths):
    random = np.random.default_rng(5)
    electrons = random.poisson(10.0, (120, 96, 96)) + random.normal(0.0, 1.6, (120, 96, 96))
    movie = CMOS.adu(electrons)
    settings = LocalizerSettings(false_per_frame=2.0, widths=widths, initial_sigma_px=1.2)
    found = finish(Localizer(CMOS, settings).localize(movie))
    assert len(found) / 120 == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("camera", [EMCCD, CMOS, Camera()], ids=["EM", "CMOS", "ideal"])
def test_the_simulated_noise_has_variance_equal_to_mean(camera):
    level = 10.0 + float(np.mean(camera.read_counts))
    empty = EmptyFrames.like(camera, level, PsfWidth(), 7)
    assert empty.background_counts == pytest.approx(level, rel=0.026)
    counts = empty.frame((600, 600), np.random.default_rng(1)).astype(float)
    assert counts.mean() == pytest.approx(empty.background_counts, rel=0.01)
    assert counts.var() == pytest.approx(empty.background_counts, rel=0.01)


def test_a_simulation_serves_movies_that_are_alike():
    one = EmptyFrames.like(CMOS, 20.0, PsfWidth(1.22, 0.1, 100), 7)
    assert one == EmptyFrames.like(CMOS, 20.2, PsfWidth(1.23, 0.1, 70), 7)
    assert one != EmptyFrames.like(CMOS, 23.0, PsfWidth(1.22, 0.1, 100), 7)
    assert one != EmptyFrames.like(EMCCD, 20.0, PsfWidth(1.22, 0.1, 100), 7)
    assert finish(false_molecules(one)) is finish(false_molecules(one))


def test_the_tail_is_fitted_and_extrapolated():
    # Spots whose number beyond t is 10^5 sqrt(t) exp(-0.9 t), by inverting it on a grid.
    grid = np.linspace(3.0, 40.0, 200_000)
    number = 1e5 * np.sqrt(grid) * np.exp(-0.9 * grid)
    ratios = np.sort(np.interp(-np.arange(1, int(number[0])), -number, grid))
    law = FalseMolecules(ratios, np.sqrt(ratios), 1000)
    assert law.rate() == pytest.approx(0.9, abs=0.02)
    for t in (4.0, 6.0, 10.0, 14.0):
        assert law.expected(t, 1000) == pytest.approx(1e5 * np.sqrt(t) * np.exp(-0.9 * t), rel=0.06)
    for asked in (0.01, 1.0, 300.0):
        accepted = law.acceptance(asked, 1000)
        assert law.expected(accepted.log_likelihood_ratio, 1000) == pytest.approx(asked, rel=0.01)
    assert law.acceptance(0.02, 2000).log_likelihood_ratio == pytest.approx(
        law.acceptance(0.01, 1000).log_likelihood_ratio
    )


def test_what_is_not_fitted_would_not_have_been_accepted():
    width = PsfWidth(1.2, 0.1, 100)
    law = finish(false_molecules(EmptyFrames.like(CMOS, 20.0, width, 7)))
    accepted = law.acceptance(1.0, 128 * 128)
    strong = law.log_likelihood_ratio >= accepted.log_likelihood_ratio
    assert strong.sum() > 100
    assert (law.response[strong] < accepted.response).mean() <= 0.02
    # It spares fits, too.
    assert (law.response < accepted.response).mean() > 0.3


def test_a_molecule_is_accepted_and_its_ghost_of_noise_is_not():
    settings = LocalizerSettings(false_per_frame=0.01, widths="free", initial_sigma_px=1.3)
    law = finish(false_molecules(EmptyFrames.like(CMOS, 20.0, PsfWidth(), 7)))
    localizer = FrameLocalizer(CMOS, settings, PsfWidth(), law.acceptance(0.01, 64 * 64))
    mean = np.full((64, 64), 20.0)
    mean[30:33, 40:43] += 60.0
    frame = CMOS.adu(np.random.default_rng(3).poisson(mean).astype(np.float32))
    rows = finish(localizer.rows(0, frame[None], None))
    assert len(rows) == 1
    assert rows[0, 1:3] == pytest.approx([4150.0, 3150.0], abs=60.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"false_per_frame": 0.0}, "above 0"),
        ({"false_per_frame": float("nan")}, "above 0"),
        ({"false_per_frame": 0.1, "fit": "wlsq"}, "needs maximum likelihood"),
        ({"false_per_frame": 0.1, "fit_on": "denoised"}, "on the noisy pixels"),
    ],
)
def test_what_cannot_be_promised_is_refused(settings, words):
    with pytest.raises(BlinkspotError, match=words):
        LocalizerSettings(**settings)


def test_more_than_noise_has_spots_cannot_be_asked_for():
    movie = CMOS.adu(np.random.default_rng(1).poisson(10.0, (4, 32, 32)).astype(np.float32))
    with pytest.raises(BlinkspotError, match=r"An empty frame of this movie has \S+ spots in all"):
        finish(Localizer(CMOS, LocalizerSettings(false_per_frame=90.0)).localize(movie))
