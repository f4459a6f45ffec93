"""Which maps belong to a movie: a file's, turned and cut as the movie is."""

from __future__ import annotations

from dataclasses import dataclass

from blinkspot.camera.maps import CameraMaps


@dataclass(frozen=True)
class ChosenMaps:
    """Maps of a chip, and the part of them that a movie shows.

    Attributes
    ----------
    chip : CameraMaps
        The maps as their file has them.
    transposed : bool
        Whether the movie's rows are their columns.
    top, left : int
        Row and column of the (transposed) maps at which the movie begins.
    """

    chip: CameraMaps
    transposed: bool = False
    top: int = 0
    left: int = 0

    @classmethod
    def for_frames(cls, chip: CameraMaps, height: int, width: int) -> ChosenMaps:
        """Choose maps for frames: as they are, or transposed where their size fits only so."""
        rows, columns = chip.shape
        as_they_are = height <= rows and width <= columns
        return cls(chip, transposed=not as_they_are and height <= columns and width <= rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(Y, X) of the maps turned as the movie is."""
        return self.chip.shape[::-1] if self.transposed else self.chip.shape

    def of_frames(self, height: int, width: int) -> CameraMaps:
        """Return the maps of a movie's frames.

        Raises
        ------
        BlinkspotError
            If the maps do not reach so far.
        """
        turned = self.chip.transposed() if self.transposed else self.chip
        return turned.window(self.top, self.left, height, width)
