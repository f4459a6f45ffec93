"""What the numbers of a comparison allow to conclude, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.comparing.equal_share import EqualShare, at_equal_share
from blinkspot.evaluation.comparing.not_measured import NotMeasured
from blinkspot.evaluation.comparing.routes import Route
from blinkspot.evaluation.comparing.shared_errors import SharedError
from blinkspot.evaluation.held_out import HeldOut
from blinkspot.evaluation.route_names import ROUTE_TITLES
from blinkspot.evaluation.scoring.resampling import Gain
from blinkspot.evaluation.wording import signed

Judgement = Literal["helped", "no difference", "hurt", "unknown"]

_HOW_TO_FIND_OUT = (
    "To find out on this movie, hold photons out (tick it in napari's Report dock, or blinkspot compare ... "
    "--held-out); or simulate a movie like it, whose molecules are known."
)


@dataclass(frozen=True)
class Conclusion:
    """What may be concluded.

    Attributes
    ----------
    judgement : {"helped", "no difference", "hurt", "unknown"}
        Of the denoising.
    sentence : str
        The same with its figures.
    more : tuple of str
        What belongs to it, a sentence each.
    """

    judgement: Judgement
    sentence: str
    more: tuple[str, ...] = ()


def verdict(comparison: Comparison) -> str:
    """Say in one sentence what denoising did, and no more than is known: see :func:`conclude`."""
    return conclude(comparison).sentence


def conclude(comparison: Comparison) -> Conclusion:
    """Judge what denoising did.

    With truth: whether the best F1 rose or fell by more than chance explains, by the better of the denoised
    routes; where it did neither, whether the molecules found both ways are located better or worse. Without
    truth, by photons held out, if they were: whether more molecules are confirmed at the same share of false
    ones. Else nobody can say.
    """
    noisy, denoised = comparison.noisy, comparison.denoised
    if denoised.truthful is not None and denoised.truthful.gain is not None and not math.isnan(noisy.best_f1):
        return _by_truth(noisy, denoised, denoised.truthful.gain, denoised.truthful.shared_error)
    held_out = comparison.checks.held_out
    if isinstance(held_out, NotMeasured):
        return _by_nothing(comparison, held_out)
    return by_held_out(held_out, at_equal_share(held_out))


def _by_truth(noisy: Route, denoised: Route, gain: Gain, error: SharedError | None) -> Conclusion:
    how = ROUTE_TITLES[denoised.name].removeprefix("denoised, ")
    values = f"from {noisy.best_f1:.3f} to {denoised.best_f1:.3f} ({described(gain)}; molecules {how})"
    errors = () if error is None or not error.molecules else (_error_sentence(error),)
    found, located = _direction(gain), 0 if error is None else _direction(error.change)
    if gain.low is None or gain.high is None:
        return Conclusion(
            "unknown",
            f"Nobody can say whether denoising helped: the best F1 went {values}, and the movie is too short "
            "to tell a difference from chance.",
            errors,
        )
    if found > 0:
        return Conclusion("helped", f"Denoising helped: the best F1 rose {values}.", errors)
    if found < 0:
        return Conclusion("hurt", f"Denoising hurt: the best F1 fell {values}.", errors)
    if error is not None and located:
        judgement: Judgement = "helped" if located < 0 else "hurt"
        better = "better" if located < 0 else "worse"
        return Conclusion(
            judgement,
            f"Denoising {judgement}: molecules are located {better}, by {_error_change(error)}; of what is "
            f"found no difference could be shown, the best F1 went {values}.",
            errors,
        )
    return Conclusion(
        "no difference",
        f"Denoising made no difference that this movie could show: the best F1 went {values}.",
        errors,
    )


def by_held_out(check: HeldOut, equal: EqualShare | None) -> Conclusion:
    """Judge by photons held out.

    Parameters
    ----------
    check : HeldOut
        What they say.
    equal : EqualShare or None
        Both routes at the same share of false molecules; None where that cannot be told.
    """
    pictures = _picture_sentences(check)
    if check.warnings:
        return Conclusion(
            "unknown",
            "Nobody can say whether denoising helped: there is no truth, and the held-out photons are not to "
            "be trusted here.",
            (*check.warnings, *pictures),
        )
    if equal is None:
        return Conclusion(
            "unknown",
            "Nobody can say whether denoising helped: there is no truth, and the molecules are too few for "
            "the held-out photons to tell.",
            pictures,
        )
    before, after, gain = equal.noisy.number.value, equal.denoised.number.value, equal.gain
    how = ROUTE_TITLES[equal.denoised.route].removeprefix("denoised, ")
    values = (
        f"at {100 * equal.false_share:g} % false ones it gives {after:,.0f} molecules that photons held out "
        f"confirm, and the noisy movie {before:,.0f} ({signed(round(after) - round(before), 0)}"
        f"{_interval(gain, 0)}; molecules {how})"
    )
    more = (*_held_out_errors(equal), *pictures)
    direction = _direction(gain)
    if direction > 0:
        return Conclusion("helped", f"Denoising helped: {values}.", more)
    if direction < 0:
        return Conclusion("hurt", f"Denoising hurt: {values}.", more)
    return Conclusion(
        "no difference", f"Denoising made no difference that this movie could show: {values}.", more
    )


def _by_nothing(comparison: Comparison, held_out: NotMeasured) -> Conclusion:
    noisy, denoised = comparison.noisy, comparison.denoised
    threshold = comparison.settings.localizer.threshold
    how = (
        _HOW_TO_FIND_OUT
        if comparison.settings.held_out is None
        else f"The held-out check could not tell: {held_out.reason}"
    )
    return Conclusion(
        "unknown",
        f"At the default threshold of {threshold:g} there are {noisy.n_default:,} localizations in the "
        f"noisy movie and {denoised.n_default:,} with the denoised one; without the truth, nobody can "
        "say how many of either are molecules.",
        (how,),
    )


def _direction(gain: Gain) -> int:
    """Return 1 or -1 where a difference is surely above or below 0, else 0."""
    if gain.low is None or gain.high is None:
        return 0
    return int(gain.low > 0) - int(gain.high < 0)


def _error_change(error: SharedError) -> str:
    change = error.change
    return f"{signed(change.value, 1)} nm root mean square error{_interval(change, 1, ' nm')}"


def _error_sentence(error: SharedError) -> str:
    direction = _direction(error.change)
    verb = {1: "rose", -1: "fell", 0: "went"}[direction]
    end = "" if direction or error.change.low is None else ": no more than chance explains"
    return (
        f"Of the {error.molecules:,} molecules found both ways, the root mean square error {verb} from "
        f"{error.before_nm:.1f} to {error.after_nm:.1f} nm ({signed(error.change.value, 1)} nm"
        f"{_interval(error.change, 1, ' nm')}){end}."
    )


def _held_out_errors(equal: EqualShare) -> tuple[str, ...]:
    errors = equal.noisy.error_nm, equal.denoised.error_nm
    if any(math.isnan(each.value) for each in errors):
        return ()
    before, after = (
        f"{each.value:.1f} nm (95 % interval {each.low:.1f} to {each.high:.1f})" for each in errors
    )
    return (
        f"They lie {after} from the true places, root mean square, and those of the noisy movie "
        f"{before}; they are not the same molecules.",
    )


def _picture_sentences(check: HeldOut) -> tuple[str, ...]:
    """Compare the denoised picture with each of the others, by the photons that it has not seen."""
    gains = {each.picture: each for each in check.predictions}
    if "denoised" not in gains:
        return ()
    ours, words = gains["denoised"], []
    for name, title in (("noisy", "the noisy one"), ("gaussian", "a Gaussian filter")):
        if name not in gains:
            continue
        difference = ours.gain - gains[name].gain
        reach = 1.96 * math.hypot(ours.error, gains[name].error)
        gain = Gain(difference, difference - reach, difference + reach)
        how = {1: "better than", -1: "worse than", 0: "no surer than"}[_direction(gain)]
        words.append(f"{how} {title} ({signed(difference, 4)}{_interval(gain, 4)})")
    if not words:
        return ()
    both = " and ".join(words)
    return (f"The denoised picture predicts photons held out {both}; log-likelihood per photon, nat.",)


def described(gain: Gain) -> str:
    """Write a gain with its interval: ``+0.223, 95 % interval +0.201 to +0.244``."""
    return f"{signed(gain.value)}{_interval(gain, 3)}"


def _interval(gain: Gain, decimals: int, unit: str = "") -> str:
    if gain.low is None or gain.high is None:
        return ""
    return f", 95 % interval {signed(gain.low, decimals)} to {signed(gain.high, decimals)}{unit}"
