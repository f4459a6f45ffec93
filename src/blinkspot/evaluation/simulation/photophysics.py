"""Molecules that begin and cease to shine."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.evaluation.simulation.structure import Everywhere, Places
from blinkspot.evaluation.simulation.widths import FWHM_PER_SIGMA

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOLECULE = np.dtype(
    [
        ("number", np.int64),  # from 1, the same each time that it shines
        ("x_nm", np.float64),  # at the start of the frame, without the drift
        ("y_nm", np.float64),
        ("sigma_nm", np.float64),
        ("photons", np.float64),  # in a frame through which it shines, fully lit
        ("on", np.float64),  # frames since the movie's start
        ("off", np.float64),
    ]
)
Molecules = np.ndarray[tuple[int], np.dtype[np.void]]


class Source(Protocol):
    """Where shining molecules come from."""

    def at_start(self) -> Molecules:
        """Return the molecules that shine already when the movie begins."""
        ...

    def switched_on(self, frame: int) -> Molecules:
        """Return the molecules that begin to shine within a frame; frames must be asked for in order."""
        ...

    def moved(self, molecules: Molecules, frame: int) -> None:
        """Note where molecules are that have shone in a frame and moved."""
        ...


def source_of(settings: SimulationSettings, random: np.random.Generator) -> Source:
    """Return where the molecules of a simulation come from."""
    field = settings.field
    places = Everywhere(field) if settings.structure is None else settings.structure.places_in(field)
    if settings.mean_off_frames > 0:
        return Fluorophores(settings, places, random)
    return EverNewMolecules(settings, places, random)


def part_of_frame(molecules: Molecules, start: float, stop: float) -> FloatArray:
    """Return the time, in frames, for which each molecule shines between two moments."""
    part: FloatArray = np.minimum(molecules["off"], stop) - np.maximum(molecules["on"], start)
    return part


class EverNewMolecules:
    """Each molecule shines once; where it lies has nothing to do with those before."""

    def __init__(self, settings: SimulationSettings, places: Places, random: np.random.Generator) -> None:
        self._settings = settings
        self._places = places
        self._random = random
        self._at_once = settings.molecules_at_once
        self._count = 0

    def at_start(self) -> Molecules:
        """Return the molecules that shine already when the movie begins."""
        mean_on_frames = self._settings.mean_on_frames
        if mean_on_frames == 0:
            return np.empty(0, MOLECULE)
        # What is left of an exponential time is exponential again, with the same mean.
        off = self._random.exponential(mean_on_frames, self._random.poisson(self._at_once))
        return self._scattered(np.zeros_like(off), off)

    def switched_on(self, frame: int) -> Molecules:
        """Return the molecules that begin to shine within a frame."""
        random, mean_on_frames = self._random, self._settings.mean_on_frames
        if mean_on_frames == 0:
            on = np.full(random.poisson(self._at_once), float(frame))
            return self._scattered(on, on + 1.0)
        on = frame + random.random(random.poisson(self._at_once / mean_on_frames))
        return self._scattered(on, on + random.exponential(mean_on_frames, len(on)))

    def moved(self, molecules: Molecules, frame: int) -> None:
        """Do nothing: no molecule comes back."""

    def _scattered(self, on: FloatArray, off: FloatArray) -> Molecules:
        """Give molecules that shine from ``on`` to ``off`` a place, a width and a brightness."""
        number = len(on)
        molecules = np.empty(number, MOLECULE)
        molecules["number"] = np.arange(self._count + 1, self._count + number + 1)
        molecules["x_nm"], molecules["y_nm"] = self._places.draw(number, self._random).T
        molecules["sigma_nm"] = self._random.uniform(*self._settings.fwhm_nm, number) / FWHM_PER_SIGMA
        molecules["photons"] = self._random.uniform(*self._settings.photons, number)
        molecules["on"] = on
        molecules["off"] = off
        self._count += number
        return molecules


class Fluorophores:
    """Molecules that shine again and again in their places, until they bleach.

    On and off times are exponential; the number of blinks is geometric (each blink is the last with
    probability ``1 / mean_blinks``), or there is no end to them. At the start on and off are in balance. A
    molecule has one width, and in each blink another brightness.
    """

    def __init__(self, settings: SimulationSettings, places: Places, random: np.random.Generator) -> None:
        self._settings = settings
        self._field = settings.field
        self._random = random
        number = random.poisson(settings.fluorophores)
        self._x_nm, self._y_nm = places.sites(number, random).T.copy()
        self._sigma_nm = random.uniform(*settings.fwhm_nm, number) / FWHM_PER_SIGMA
        self._next_on = random.exponential(settings.mean_off_frames, number)
        # Frame at whose start each molecule was where it is said to be.
        self._placed_at = np.zeros(number)

    def at_start(self) -> Molecules:
        """Return the molecules that shine already when the movie begins."""
        mean_on, mean_off = self._settings.mean_on_frames, self._settings.mean_off_frames
        shining = np.flatnonzero(self._random.random(len(self._x_nm)) < mean_on / (mean_on + mean_off))
        return self._blinks(shining, np.zeros(len(shining)), 0)

    def switched_on(self, frame: int) -> Molecules:
        """Return the blinks that begin within a frame."""
        blinks = []
        while len(due := np.flatnonzero(self._next_on < frame + 1)):
            blinks.append(self._blinks(due, self._next_on[due], frame))
        return np.concatenate(blinks) if blinks else np.empty(0, MOLECULE)

    def moved(self, molecules: Molecules, frame: int) -> None:
        """Note where molecules are that have shone in a frame and moved."""
        which = molecules["number"] - 1
        self._x_nm[which], self._y_nm[which] = molecules["x_nm"], molecules["y_nm"]
        self._placed_at[which] = frame + 1

    def _blinks(self, which: IntArray, on: FloatArray, frame: int) -> Molecules:
        """Have molecules blink from ``on``, and fix when they do so next."""
        random, settings = self._random, self._settings
        self._diffuse_in_the_dark(which, frame)
        blinks = np.empty(len(which), MOLECULE)
        blinks["number"] = which + 1
        blinks["x_nm"], blinks["y_nm"] = self._x_nm[which], self._y_nm[which]
        blinks["sigma_nm"] = self._sigma_nm[which]
        blinks["photons"] = random.uniform(*settings.photons, len(which))
        blinks["on"] = on
        blinks["off"] = on + random.exponential(settings.mean_on_frames, len(which))
        self._next_on[which] = blinks["off"] + random.exponential(settings.mean_off_frames, len(which))
        if settings.mean_blinks > 0:
            bleached = random.random(len(which)) < 1.0 / settings.mean_blinks
            self._next_on[which[bleached]] = np.inf
        return blinks

    def _diffuse_in_the_dark(self, which: IntArray, frame: int) -> None:
        """Move molecules that were dark until a frame as far as they went meanwhile."""
        if self._settings.motion_nm_per_sqrt_frame == 0:
            return
        way_nm = self._settings.motion_nm_per_sqrt_frame * np.sqrt(frame - self._placed_at[which])
        here_nm = np.column_stack([self._x_nm[which], self._y_nm[which]])
        here_nm += way_nm[:, np.newaxis] * self._random.standard_normal((len(which), 2))
        self._x_nm[which], self._y_nm[which] = self._field.reflected(here_nm).T
        self._placed_at[which] = frame
