"""CAREamics' Noise2Void as a peer: a process of its own, in CAREamics' own environment."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blinkspot.camera import FloatArray

_PEER = Path(__file__).with_name("careamics_peer.py")


@dataclass(frozen=True)
class Noise2Void:
    """What CAREamics made of a movie.

    Attributes
    ----------
    frames : (T, Y, X) float32
        Denoised photoelectrons.
    steps : int
        Training steps that its budget was enough for.
    cpu_s, wall_s : float
        Of the training.
    version : str
        Of CAREamics.
    predict_ms, network_ms : float or None
        Time of one frame, warm: through ``CAREamist.predict``, and of its network alone; None unless a frame
        was given to time.
    """

    frames: FloatArray
    steps: int
    cpu_s: float
    wall_s: float
    version: str
    predict_ms: float | None = None
    network_ms: float | None = None


def noise2void(
    python: Path,
    photoelectrons: FloatArray,
    cpu_s: float,
    threads: int,
    seed: int,
    timed_frame: FloatArray | None = None,
) -> Noise2Void:
    """Train on a movie for so much processor time and denoise it.

    Parameters
    ----------
    python : Path
        Interpreter of an environment with CAREamics.
    photoelectrons : (T, Y, X) float32
        The noisy movie.
    cpu_s : float
        Processor time of the training, all threads together.
    threads : int
        Threads that compute.
    seed : int
        Of its random numbers.
    timed_frame : (Y, X) float32, optional
        Time the prediction of this frame too.

    Raises
    ------
    RuntimeError
        If the process fails; with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "movie.npy", photoelectrons)
        # -P: the peer's folder is not searched for modules, so none of ours hides one of theirs.
        command = [str(python), "-P", str(_PEER), str(folder / "movie.npy"), str(folder)]
        command += ["--cpu-seconds", str(cpu_s), "--threads", str(threads), "--seed", str(seed)]
        if timed_frame is not None:
            np.save(folder / "frame.npy", timed_frame)
            command += ["--timed-frame", str(folder / "frame.npy")]
        finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if finished.returncode:
            raise RuntimeError(f"CAREamics failed:\n{finished.stdout[-2000:]}")
        report = json.loads((folder / "report.json").read_text())
        return Noise2Void(np.load(folder / "denoised.npy"), **report)
