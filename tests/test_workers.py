"""Parts of a job are computed side by side, and nothing of that is seen in the results."""

import dataclasses
import os
import platform
import subprocess
import sys
import threading
import time

import pytest
import torch

from blinkspot.denoising import Training, TrainingSettings
from blinkspot.denoising.workers import Workers
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.movies.stack import as_stack
from blinkspot.progress import finish

CPU = torch.device("cpu")


@pytest.fixture
def two_threads():
    """Let torch use two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_parts(two_threads):
    with Workers(CPU) as workers:
        waits = [0.05, 0.0, 0.03, 0.0, 0.0, 0.02, 0.0]
        found = finish(workers.every(lambda number: (time.sleep(waits[number]), number)[1], range(7)))
    assert found == list(range(7))


def test_two_parts_are_computed_at_the_same_time(two_threads):
    meeting = threading.Barrier(2, timeout=10)
    with Workers(CPU) as workers:
        finish(workers.every(lambda _: meeting.wait(), range(2)))  # else the barrier breaks


def test_each_part_has_one_thread_of_torch_and_everybody_else_as_many_as_before(two_threads):
    seen = []
    with Workers(CPU) as workers:
        inside = finish(workers.every(lambda _: torch.get_num_threads(), range(4)))
        newcomer = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        newcomer.start()
        newcomer.join()
    assert inside == [1, 1, 1, 1]
    assert seen == [2]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_on_a_gpu_parts_are_computed_where_they_are_asked_for(device):
    with Workers(torch.device(device)) as workers:
        assert finish(workers.every(lambda _: threading.get_ident(), range(3))) == [threading.get_ident()] * 3


def test_a_job_that_waits_can_be_stopped_and_leaves_no_part_waiting(two_threads):
    begun = []
    over = threading.Event()

    def part(number: int) -> None:
        begun.append(number)
        over.wait(10)

    with Workers(CPU) as workers:
        job = workers.each(part, range(100))
        assert next(job) == []  # while the first parts take their time
        job.close()
    over.set()
    time.sleep(0.1)
    assert len(begun) <= 2


def test_what_goes_wrong_in_a_part_is_raised(two_threads):
    with Workers(CPU) as workers, pytest.raises(ZeroDivisionError):
        finish(workers.every(lambda number: 1 // number, [1, 0, 1]))


def take_all(job, into: list[int]) -> None:
    for ready in job:
        into += ready


@pytest.mark.parametrize("where", ["taking", "computing"])
def test_what_was_computed_before_a_failure_is_not_lost(two_threads, where):
    def parts():
        for number in range(20):
            if where == "taking" and number == 9:
                raise OSError("the file ends here")
            yield number

    def computed(number: int) -> int:
        if where == "computing" and number == 9:
            raise OSError("the file ends here")
        return number

    found = []
    with Workers(CPU) as workers:
        job = workers.each(computed, parts())
        with pytest.raises(OSError, match="ends here"):
            take_all(job, found)
    assert found == list(range(9))


def test_no_more_parts_than_allowed_are_in_hand(two_threads):
    at_work, most = [], []

    def part(number: int) -> None:
        at_work.append(number)
        most.append(len(at_work))
        time.sleep(0.01)
        at_work.remove(number)

    with Workers(CPU) as workers:
        finish(workers.every(part, range(6), in_hand=1))
    assert max(most) == 1


def test_threads_that_cannot_all_be_started_do_not_wait_for_ever(two_threads, monkeypatch):
    started = []
    start = threading.Thread.start

    def refuse(self):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        Workers(CPU)
    started[0].join(timeout=10)
    assert not started[0].is_alive()
    assert torch.get_num_threads() == 2


def test_parts_are_taken_as_they_are_needed(two_threads):
    taken = []

    def parts():
        for number in range(100):
            taken.append(number)
            yield number

    with Workers(CPU) as workers:
        job = workers.each(lambda number: number, parts())
        next(job)
        assert len(taken) <= 8
        job.close()


_PAGES_OF_A_FRAME = """
import resource
import numpy as np, torch
from blinkspot import Camera
from blinkspot.denoising import Denoiser, TrainingSettings
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import resolved
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.movies.stack import as_stack
torch.set_num_threads({threads})
settings = resolved(TrainingSettings(context_frames=0, channels={channels}, blind_spot_radius_px=0))
model = PriorNetwork(untrained_network(settings), InputScaling(9.0, 1.0, 20.0), settings.components)
camera = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)
denoiser = Denoiser(model.to(memory_format=torch.channels_last), "dilated", camera, {{}})
movie = as_stack(np.full((2, 512, 512), 120, np.uint16))
faults = [0]
for turn in range(12):
    denoiser.denoise_frame(movie, 0)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(np.diff(faults).min())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that gives memory back at once")
@pytest.mark.parametrize(
    ("threads", "channels", "set_before"),
    [(1, 16, {}), (2, 16, {}), (2, 32, {}), (2, 16, {"MALLOC_TRIM_THRESHOLD_": "65536"})],
    ids=["one thread", "two threads", "32 channels", "worker of dask"],
)
def test_memory_of_one_frame_serves_the_next(threads, channels, set_before):
    """Without that thousands of new pages (4 KiB) for each frame, which the system fills with zeros.

    dask.distributed has its workers, and all that is started beside them, give back all memory at once. Not
    each frame does without: on a busy machine its threads at times change places, and their memory.
    """
    script = _PAGES_OF_A_FRAME.format(threads=threads, channels=channels)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    printed = subprocess.run(
        [sys.executable, "-c", script], env=plain | set_before, capture_output=True, text=True, check=True
    )
    assert float(printed.stdout) < 1000


def test_one_thread_and_two_train_the_same_model_to_the_bit():
    scene = dataclasses.replace(PRESETS["low-light"], frames=12, size_px=64, seed=4)
    frames = [chunk.frames for chunk in simulate(scene)]
    movie = as_stack(torch.cat([torch.from_numpy(part) for part in frames]).numpy())
    settings = TrainingSettings(epochs=3, context_frames=1, channels=4)
    digests = set()
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            digests.add(finish(Training(movie, scene.camera, settings).run()).digest())
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 1
