"""Words follow from numbers: each thing that may be concluded, and nothing more."""

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from blinkspot.evaluation import conclude
from blinkspot.evaluation.comparing.equal_share import Confirmed as Found
from blinkspot.evaluation.comparing.equal_share import EqualShare, at_equal_share
from blinkspot.evaluation.comparing.not_measured import NotMeasured
from blinkspot.evaluation.comparing.shared_errors import SharedError, shared_error
from blinkspot.evaluation.comparing.verdict import by_held_out
from blinkspot.evaluation.held_out import Estimate, Prediction
from blinkspot.evaluation.report.page import calibration_sentence
from blinkspot.evaluation.scoring.resampling import Gain
from blinkspot.localization import LocalizationTable

UP, DOWN, EITHER = Gain(0.2, 0.1, 0.3), Gain(-0.2, -0.3, -0.1), Gain(0.01, -0.02, 0.04)
UNTOLD = Gain(0.2, None, None)
BETTER = SharedError(1500, 30.0, 25.0, Gain(-5.0, -6.0, -4.0))
WORSE = SharedError(1500, 25.0, 30.0, Gain(5.0, 4.0, 6.0))
ALIKE = SharedError(1500, 25.0, 25.1, Gain(0.1, -0.4, 0.6))
UNASKED = NotMeasured("It was not asked for.")


def compared(
    gain: Gain | None, error: SharedError | None = None, held_out: object = UNASKED
) -> SimpleNamespace:
    """Return what a verdict looks at of a comparison; without a gain there is no truth."""
    after = 0.5 + (gain.value if gain else math.nan)
    denoised = SimpleNamespace(name="denoised_fit_raw", best_f1=after, n_default=2300, truthful=None)
    if gain is not None:
        denoised.truthful = SimpleNamespace(gain=gain, shared_error=error)
    asked = None if held_out is UNASKED else "asked"
    return SimpleNamespace(
        noisy=SimpleNamespace(best_f1=0.5 if gain else math.nan, n_default=1200),
        denoised=denoised,
        checks=SimpleNamespace(held_out=held_out),
        settings=SimpleNamespace(localizer=SimpleNamespace(threshold=1.0), held_out=asked),
    )


@pytest.mark.parametrize(
    ("gain", "error", "judgement", "begins", "holds"),
    [
        (UP, BETTER, "helped", "Denoising helped: the best F1 rose from 0.500 to 0.700", "+0.100 to +0.300"),
        (UP, WORSE, "helped", "Denoising helped: the best F1 rose", "+0.200"),
        (DOWN, BETTER, "hurt", "Denoising hurt: the best F1 fell from 0.500 to 0.300", "−0.300 to −0.100"),
        (EITHER, ALIKE, "no difference", "Denoising made no difference that this movie could", "−0.020"),
        (EITHER, None, "no difference", "Denoising made no difference that this movie could", "+0.040"),
        (EITHER, BETTER, "helped", "Denoising helped: molecules are located better", "−6.0 to −4.0 nm"),
        (EITHER, WORSE, "hurt", "Denoising hurt: molecules are located worse", "+4.0 to +6.0 nm"),
        (UNTOLD, None, "unknown", "Nobody can say whether denoising helped: ", "too short"),
    ],
)  # fmt: skip
def test_what_the_truth_allows(gain, error, judgement, begins, holds):
    conclusion = conclude(compared(gain, error))
    assert conclusion.judgement == judgement
    assert conclusion.sentence.startswith(begins)
    assert holds in conclusion.sentence
    assert "fitted on raw counts" in conclusion.sentence
    for other in {"helped", "hurt", "no difference"} - {judgement}:
        assert f"Denoising {other}" not in conclusion.sentence
    assert len(conclusion.more) == (error is not None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BETTER, "fell from 30.0 to 25.0 nm (−5.0 nm, 95 % interval −6.0 to −4.0 nm)."),
        (WORSE, "rose from 25.0 to 30.0 nm (+5.0 nm, 95 % interval +4.0 to +6.0 nm)."),
        (ALIKE, "went from 25.0 to 25.1 nm (+0.1 nm, 95 % interval −0.4 to +0.6 nm): no more than chance"),
        (SharedError(9, 25.0, 20.0, Gain(-5.0, None, None)), "went from 25.0 to 20.0 nm (−5.0 nm)."),
    ],
)
def test_the_error_in_words(error, words):
    (sentence,) = conclude(compared(UP, error)).more
    assert words in sentence


def test_without_truth_or_check_nobody_can_say():
    conclusion = conclude(compared(None))
    assert conclusion.judgement == "unknown"
    assert "1,200 localizations" in conclusion.sentence
    assert "nobody can say" in conclusion.sentence
    assert "--held-out" in conclusion.more[0]
    failed = conclude(compared(None, held_out=NotMeasured("The movie has 3 frames.")))
    assert failed.judgement == "unknown"
    assert "The movie has 3 frames." in failed.more[0]


PREDICTIONS = (
    Prediction("noisy", 0.0010, 0.0001),
    Prediction("gaussian", 0.0049, 0.0001),
    Prediction("denoised", 0.0050, 0.0001),
)


def checked(
    warnings: tuple[str, ...] = (), predictions: tuple[Prediction, ...] = PREDICTIONS
) -> SimpleNamespace:
    """Return what a verdict looks at of a held-out check."""
    return SimpleNamespace(warnings=warnings, predictions=predictions)


def equal(gain: Gain, error: float = 20.0) -> EqualShare:
    """Return two routes at 5 % false molecules."""
    near = Estimate(error, error - 1.0, error + 1.0)
    noisy = Found("noisy", Estimate(1000.0, 950.0, 1050.0), 1.1, near)
    denoised = Found("denoised_fit_denoised", Estimate(1000.0 + gain.value, 0.0, 9e9), 2.2, near)
    return EqualShare(0.05, noisy, denoised, gain)


@pytest.mark.parametrize(
    ("gain", "judgement", "begins"),
    [
        (Gain(200.0, 100.0, 300.0), "helped", "Denoising helped: at 5 % false ones it gives 1,200 molecules"),
        (Gain(-200.0, -300.0, -100.0), "hurt", "Denoising hurt: at 5 % false ones it gives 800 molecules"),
        (
            Gain(10.0, -50.0, 70.0),
            "no difference",
            "Denoising made no difference that this movie could show: ",
        ),
    ],
)
def test_what_held_out_photons_allow(gain, judgement, begins):
    conclusion = by_held_out(checked(), equal(gain))
    assert conclusion.judgement == judgement
    assert conclusion.sentence.startswith(begins)
    assert "confirm, and the noisy movie 1,000" in conclusion.sentence
    errors, pictures = conclusion.more
    assert "20.0 nm (95 % interval 19.0 to 21.0)" in errors
    assert "better than the noisy one (+0.0040" in pictures
    assert "no surer than a Gaussian filter (+0.0001" in pictures


def test_what_held_out_photons_do_not_allow():
    helped = equal(Gain(200.0, 100.0, 300.0))
    doubtful = by_held_out(checked(warnings=("The noise is not the camera's.",)), helped)
    assert doubtful.judgement == "unknown"
    assert "not to be trusted" in doubtful.sentence
    assert "The noise is not the camera's." in doubtful.more
    few = by_held_out(checked(), None)
    assert few.judgement == "unknown"
    assert "too few" in few.sentence
    # Without a denoised picture there is nothing to say of it; without an error, nothing of that.
    assert by_held_out(checked(predictions=PREDICTIONS[:2]), equal(UP, math.nan)).more == ()
    worse = by_held_out(checked(predictions=(PREDICTIONS[2], Prediction("noisy", 0.009, 0.0001))), helped)
    assert "worse than the noisy one (−0.0040" in worse.more[1]


def route(name: str, found: list[int], shares: list[float], spread: float = 0.0) -> SimpleNamespace:
    """Return a route of a held-out check, with intervals of a relative width."""
    estimates = tuple(Estimate(s, s * (1 - spread), s * (1 + spread)) for s in shares)
    n = len(found)
    return SimpleNamespace(
        name=name, found=np.array(found), false_share=estimates, thresholds=2.0 ** np.arange(n),
        error_nm=(Estimate(20.0, 19.0, 21.0),) * n,
    )  # fmt: skip


def check_of(*routes: SimpleNamespace) -> SimpleNamespace:
    """Return a check of these routes."""
    by_name = {each.name: each for each in routes}
    return SimpleNamespace(routes=routes, route=by_name.get)


def test_routes_are_compared_where_as_many_are_false():
    noisy = route("noisy", [3000, 1000, 400], [0.75, 0.08, 0.02])
    worse = route("denoised_fit_raw", [2000, 1000, 600], [0.5, 0.06, 0.04])
    better = route("denoised_fit_denoised", [2000, 1500, 900], [0.5, 0.06, 0.04])
    found = at_equal_share(check_of(noisy, worse, better))
    assert found.false_share == 0.05
    # Half-way between the last two thresholds, whose numbers are 1,000 and 400, 1,500 and 900.
    assert found.noisy.number.value == pytest.approx(0.95 * 700)
    assert found.denoised.number.value == pytest.approx(0.95 * 1200)
    assert found.denoised.route == "denoised_fit_denoised"
    assert found.gain.value == pytest.approx(0.95 * 500)
    assert found.noisy.threshold == pytest.approx(2.0**1.5)
    # Numbers without doubt have a difference without doubt.
    assert found.gain.low == pytest.approx(found.gain.high)


def test_doubt_about_false_shares_is_doubt_about_numbers():
    noisy = route("noisy", [3000, 1000, 400, 100], [0.75, 0.08, 0.02, 0.0], 0.3)
    denoised = route("denoised_fit_raw", [3000, 1500, 900, 100], [0.75, 0.08, 0.02, 0.0], 0.3)
    found = at_equal_share(check_of(noisy, denoised))
    for each in (found.noisy.number, found.denoised.number):
        assert each.low < each.value < each.high
    assert found.gain.low == pytest.approx(
        found.gain.value
        - math.hypot(
            found.denoised.number.value - found.denoised.number.low,
            found.noisy.number.high - found.noisy.number.value,
        )
    )
    assert found.gain.low < found.gain.value < found.gain.high


def test_what_is_not_passed_is_not_compared():
    always_few = route("noisy", [500, 400], [0.01, 0.0])
    falls = route("denoised_fit_raw", [500, 400], [0.5, 0.0])
    assert at_equal_share(check_of(always_few, falls)) is None
    assert at_equal_share(check_of(falls)) is None
    unknown = route("noisy", [500, 400], [math.nan, math.nan])
    assert at_equal_share(check_of(unknown, falls)) is None
    # Where one never falls to 5 %, a higher share will do.
    noisy = route("noisy", [500, 400], [0.5, 0.15])
    assert at_equal_share(check_of(noisy, falls)).false_share == 0.2


def table(x_nm: list[float], frames: list[int]) -> LocalizationTable:
    """Return a table of molecules along a line."""
    return LocalizationTable.from_columns(
        {"frame": np.array(frames), "x_nm": np.array(x_nm, float), "y_nm": np.full(len(x_nm), 50.0)}
    )


def test_the_error_of_shared_molecules_is_of_those_alone():
    frames = list(range(100))
    truth = table([1000.0] * 100, frames)
    # Of the first 60 molecules 10 nm off, of the others none.
    before = table([1010.0] * 60, frames[:60])
    # Of the last 80 molecules 4 and 40 nm off.
    after = table([1004.0] * 40 + [1040.0] * 40, frames[20:])
    found = shared_error(before, after, truth, 50.0, 100, 5, 1)
    assert (found.molecules, found.before_nm, found.after_nm) == (40, 10.0, 4.0)
    assert (found.change.value, found.change.low, found.change.high) == (-6.0, -6.0, -6.0)
    nothing = shared_error(before, table([], []), truth, 50.0, 100, 5, 1)
    assert nothing.molecules == 0
    assert nothing.as_dict()["before_nm"] is None
    assert nothing.as_dict()["change"] == {"value": None, "low": None, "high": None}


def test_the_interval_of_shared_errors_holds_the_true_change():
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        frames = np.repeat(np.arange(200), 3)
        x = np.tile([1000.0, 3000.0, 5000.0], 200)
        truth = table(x, frames)
        before = table(x + random.normal(0, 12.0, 600), frames)
        after = table(x + random.normal(0, 11.0, 600), frames)
        change = shared_error(before, after, truth, 80.0, 200, 10, seed).change
        held += change.low < -1.0 < change.high
    assert held >= 34  # 38 of 40 on average; fewer than 35 once in 50 such tests


@pytest.mark.parametrize(
    ("ratio", "error", "words"),
    [
        (1.01, 0.02, "are true within 10 %: reported over true is 1.01 ± 0.02."),
        (0.5, 0.02, "are too small: reported over true is 0.50 ± 0.02; the true errors are 2.00 times"),
        (1.25, 0.05, "are too large: reported over true is 1.25 ± 0.05; the true errors are 0.80 times"),
        (1.05, 0.08, "are not shown to be untrue, nor to be true within 10 %"),
        (math.nan, math.nan, "cannot be told"),
    ],
)  # fmt: skip
def test_uncertainties_in_words(ratio, error, words):
    assert words in calibration_sentence(SimpleNamespace(ratio=ratio, ratio_error=error))


def test_figures_are_ready_for_json():
    assert equal(UP).as_dict()["noisy"]["confirmed_molecules"] == {
        "value": 1000.0,
        "low": 950.0,
        "high": 1050.0,
    }
    assert dataclasses.asdict(UP) == equal(UP).as_dict()["gain"]
