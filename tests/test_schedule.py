"""The course of a training: when the step size falls, and when the loss has settled."""

import itertools
import math

import pytest

from blinkspot.denoising.settings import TrainingSettings
from blinkspot.denoising.training.schedule import Schedule, largest_step
from blinkspot.denoising.training.training_state import TrainingState


def course(losses, end: float, own_weight: float = 0.01, **changes) -> Schedule:
    """Run a schedule in steps of 100 with the given validation losses."""
    schedule = Schedule(largest=1.0, end=end, **changes)
    for number, loss in enumerate(losses, start=1):
        done = 100.0 * number
        if done > schedule.end:
            break
        schedule.learning_rate(int(done), done)
        schedule.note_validation(int(done), done, loss, own_weight)
    return schedule


@pytest.mark.parametrize(("channels", "share"), [(1, 1.0), (16, 1.0), (32, 1.0), (64, 0.5), (512, 1 / 16)])
def test_wide_networks_take_smaller_steps(channels, share):
    assert largest_step(6e-3, channels) == pytest.approx(6e-3 * share)
    state = TrainingState.new(TrainingSettings(channels=channels, learning_rate=2e-3), 10, 0)
    assert state.schedule.largest == pytest.approx(2e-3 * share)


def test_the_step_size_rises_stays_and_falls_to_zero():
    schedule = Schedule(largest=2.0, end=1000)
    sizes = [schedule.learning_rate(step, step - 1) for step in range(1, 1001)]
    assert sizes[0] == pytest.approx(0.1)
    assert sizes[19:700] == [2.0] * 681
    falling = sizes[700:]
    assert all(later < earlier for earlier, later in itertools.pairwise(falling))
    assert 0 < falling[-1] < 0.02


def test_a_loss_that_goes_on_falling_never_settles():
    # By 10 % of what remains in every third: 1e-3 nat now, against 0.005 * 0.5 * 0.01 = 2.5e-5.
    schedule = course([2.0 - 1e-3 * math.log(number) * 3 for number in range(1, 60)], end=6000)
    assert not schedule.settled
    assert schedule.end == 6000
    assert schedule.fall_from == pytest.approx(4200)


def test_a_loss_that_stays_settles_and_the_training_ends_early():
    losses = [2.0 + math.exp(-number / 2.0) for number in range(1, 60)]
    schedule = course(losses, end=6000)
    assert schedule.settled
    at = schedule.fall_from
    assert 1000 <= at < 4200
    assert schedule.end == pytest.approx(at / 0.7)
    # At that point and at the two validations before, the last third had lowered the loss by less than 0.02
    # dB costs, and just before these not.
    for when in (at, at - 100, at - 200):
        assert math.exp(-(2 * when / 3 // 100) / 2.0) - math.exp(-(when / 100) / 2.0) < 2.5e-5
    before = at - 300
    if before >= 1000:
        assert math.exp(-(2 * before / 3 // 100) / 2.0) - math.exp(-(before / 100) / 2.0) >= 2.5e-5


@pytest.mark.parametrize("with_context", [False, True])
def test_with_context_frames_a_loss_that_has_risen_is_not_settled(with_context):
    # Level early on, then higher by 0.4 % of 0.5 * own weight from step 1,000 to 2,000, then level again.
    losses = [2.0 + math.exp(-number) + (2e-3 if 10 <= number <= 20 else 0.0) for number in range(1, 60)]
    schedule = course(losses, end=20_000, own_weight=1.0, with_context=with_context)
    assert schedule.settled
    assert (schedule.fall_from > 2000) == with_context


def test_a_training_is_rough_while_its_last_third_gains_much():
    # What a third gains is 3e-3 * log(3 / 2) = 1.2e-3 nat: of 0.5 * own weight that is 2.4 % or 1.2 %.
    falling = [2.0 - 3e-3 * math.log(number) for number in range(1, 60)]
    assert course(falling, end=6000, own_weight=0.1).rough
    smooth = course(falling, end=6000, own_weight=0.2)
    assert not smooth.rough
    assert not smooth.settled
    assert course(falling[:9], end=6000, own_weight=0.2).rough  # too short to tell


def test_one_low_validation_does_not_settle_a_training():
    falling = [2.0 - 1e-3 * math.log(number) * 3 for number in range(1, 60)]
    # What comes a third later is then no better than this one.
    falling[11] -= 2e-3
    assert not course(falling, end=6000).settled


def test_a_training_has_lost_its_way_where_much_of_the_gain_is_gone():
    schedule = Schedule(largest=1.0, end=6000)
    assert not schedule.has_lost_its_way(1000, 3.509, 4.0, 3.5)
    assert schedule.has_lost_its_way(1000, 3.511, 4.0, 3.5)
    assert schedule.has_lost_its_way(1000, math.nan, 4.0, 3.5)
    # At first it goes up and down.
    assert not schedule.has_lost_its_way(400, 3.9, 4.0, 3.5)


def test_a_training_goes_on_with_half_the_step_size():
    schedule = Schedule(largest=1.0, end=6000)
    schedule.restart(1000, 1000.0)
    sizes = [schedule.learning_rate(step, step) for step in range(1001, 1041)]
    assert sizes[0] == pytest.approx(0.5 / 20)
    assert sizes[19:] == [0.5] * 21


def test_whether_the_loss_has_settled_is_judged_anew_after_a_restart():
    schedule = Schedule(largest=1.0, end=20_000)
    for done in range(100, 1800, 100):
        schedule.note_validation(done, done, 2.0 + math.exp(-done / 300.0), 0.01)
    schedule.restart(1800, 1800.0)
    # At first no better than before, as an optimiser that has forgotten everything is; then better.
    recovering = [2.005] * 4 + [2.005 - 5e-4 * math.log(number) for number in range(1, 40)]
    for number, loss in enumerate(recovering, start=1):
        done = 1800 + 100 * number
        schedule.note_validation(done, done, loss, 0.01)
        assert not schedule.settled


def test_too_few_steps_never_settle():
    schedule = course([2.0] * 9, end=6000)
    assert not schedule.settled
