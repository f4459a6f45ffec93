"""Whether a table can be of the movie that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm

# Molecules at the border may lie a little outside; most of them do only where units or movies differ.
_MOST_OUTSIDE = 0.5


@dataclass(frozen=True)
class MovieFacts:
    """What is known of a movie.

    Attributes
    ----------
    name : str
        For the reader: ``"the movie"``.
    n_frames : int, optional
    pixel_size_nm : float, optional
    extent_nm : (height, width), optional
    """

    name: str
    n_frames: int | None = None
    pixel_size_nm: float | None = None
    extent_nm: tuple[float, float] | None = None

    @classmethod
    def of_table(cls, table: LocalizationTable, name: str) -> MovieFacts:
        """Return what a table's provenance says of its movie."""
        return cls(name, table.movie_frames, known_pixel_size_nm(table.provenance), table.movie_extent_nm)

    def check(self, table: LocalizationTable, name: str) -> None:
        """Refuse a table of another camera, of other frames, or of which most lies outside.

        Raises
        ------
        BlinkspotError
            If it cannot be of this movie; ``name`` is how the sentence calls it.
        """
        pixel_size_nm = known_pixel_size_nm(table.provenance)
        if (
            self.pixel_size_nm is not None
            and pixel_size_nm is not None
            and not np.isclose(pixel_size_nm, self.pixel_size_nm, rtol=1e-3, atol=0.0)
        ):
            raise BlinkspotError(
                f"{name} is of a camera with pixels of {pixel_size_nm:g} nm, and {self.name} of one with "
                f"pixels of {self.pixel_size_nm:g} nm: give the table of the same movie."
            )
        if not len(table):
            return
        last = int(table.column("frame").max())
        if self.n_frames is not None and last >= self.n_frames:
            raise BlinkspotError(
                f"{name} reaches to frame {last + 1}, but {self.name} has {self.n_frames} frames: "
                "give the table of the same movie."
            )
        if self.extent_nm is not None:
            y, x = table.column("y_nm"), table.column("x_nm")
            height_nm, width_nm = self.extent_nm
            outside = float(np.mean((y < 0) | (x < 0) | (y > height_nm) | (x > width_nm)))
            if outside > _MOST_OUTSIDE:
                raise BlinkspotError(
                    f"{100 * outside:.0f} % of the molecules of {name[:1].lower()}{name[1:]} lie outside "
                    f"{self.name}, which is {width_nm:g} nm wide and {height_nm:g} nm high: give the table "
                    "of the same movie, with positions in nm."
                )


def check_truth(movie: MovieFacts, truth: LocalizationTable) -> None:
    """Refuse a truth that cannot be of a movie, or that is of a shorter one.

    Raises
    ------
    BlinkspotError
        If it is.
    """
    movie.check(truth, "The truth")
    n_frames = truth.movie_frames
    if n_frames is not None and movie.n_frames is not None and n_frames < movie.n_frames:
        raise BlinkspotError(
            f"The truth is of a movie of {n_frames} frames, but {movie.name} has {movie.n_frames} frames: "
            "give the truth of the same movie."
        )


def check_same_movie(found: LocalizationTable, truth: LocalizationTable) -> None:
    """Refuse two tables whose provenance says that they are of different movies.

    Raises
    ------
    BlinkspotError
        If one cannot be of the movie of the other.
    """
    MovieFacts.of_table(found, "the movie of the table").check(truth, "The truth")
    MovieFacts.of_table(truth, "the movie of the truth").check(found, "The table")
