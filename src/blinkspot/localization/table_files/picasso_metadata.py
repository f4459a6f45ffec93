"""What Picasso writes about a table: YAML in ``NAME.yaml``, since version 0.11 also JSON in the HDF5.

Each step of Picasso's appends a document; a key counts where it stands last. ``Width``, ``Height`` and
``Frames`` are those of the movie. The pixel size in nm is ``Pixelsize``, which Picasso's first versions did
not write, and ``Camera.Pixelsize`` in movies that it simulated.
"""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError, in_brief
from blinkspot.files.whole_files import read_small_text
from blinkspot.localization.table_files.pixel_size import (
    checked_pixel_size_nm,
    known_pixel_size_nm,
    with_pixel_size,
)
from blinkspot.plain_values import encodable
from blinkspot.provenance import package_version

_OURS = "napari-blinkspot"
_MOST_VALUES = 300_000
_MOST_LEVELS = 100
_LARGEST_WHOLE = 2**63
_BEYOND_ANY_MOVIE = 1 << 31
_LARGEST_SHARE_BEYOND = 0.05
_PIXEL_SIZE = ("Pixelsize", "Camera.Pixelsize")


@dataclass(frozen=True)
class PicassoMetadata:
    """What the metadata say.

    Attributes
    ----------
    source : Path
        Their file.
    pixel_size_nm : float
    frames, width_px, height_px : int or None
        Size of the movie, where it is stated.
    provenance : dict
        Of the table.
    """

    source: Path
    pixel_size_nm: float
    frames: int | None
    width_px: int | None
    height_px: int | None
    provenance: dict[str, Any]


# libyaml's, where PyYAML was built with it, are some ten times faster.
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type]
    """Reads plain values. What only Python could make (older files of Picasso hold some) is nothing."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def metadata_path(path: Path) -> Path:
    """Return the name of a table's metadata: ``NAME.hdf5`` has ``NAME.yaml``."""
    return path.with_suffix(".yaml")


def read_metadata(path: Path, embedded: str | None, pixel_size_nm: float | None) -> PicassoMetadata:
    """Read what lies beside a table or, where nothing does, within it.

    Parameters
    ----------
    path : Path
        The table.
    embedded : str or None
        JSON from within.
    pixel_size_nm : float or None
        Counts before the metadata's, where it is given.

    Raises
    ------
    BlinkspotError
        If there are no metadata, they cannot be read, or the pixel size is not known.
    """
    source, documents = _documents(path, embedded)
    if pixel_size_nm is None:
        if source is None:
            raise BlinkspotError(
                f"The Picasso table {path} needs its metadata {metadata_path(path).name} beside it: copy "
                "them there, or give the pixel size (pixel_size_nm; --pixel-size-nm of blinkspot convert)."
            )
        pixel_size_nm = _stated_pixel_size_nm(source, documents)
    frames, height_px, width_px = (_whole(_last(documents, key)) for key in ("Frames", "Height", "Width"))
    ours = [number for number, document in enumerate(documents) if isinstance(document.get(_OURS), dict)]
    if ours:
        provenance = dict(documents[ours[-1]][_OURS])
        later = documents[ours[-1] + 1 :]
    else:
        provenance, later = {}, documents
        if frames and height_px and width_px:
            provenance["movie_shape"] = [frames, height_px, width_px]
    if later:
        provenance["picasso"] = later
    if known_pixel_size_nm(provenance) != pixel_size_nm:
        provenance = with_pixel_size(provenance, pixel_size_nm)
    return PicassoMetadata(source or path, pixel_size_nm, frames, width_px, height_px, provenance)


def metadata_to_write(
    provenance: dict[str, Any],
    pixel_size_nm: float,
    frame: NDArray[Any],
    x_px: NDArray[Any],
    y_px: NDArray[Any],
) -> list[dict[str, Any]]:
    """Return the documents of a table: the movie's, and one of ours that carries the provenance.

    Picasso needs the size of the movie. Where the provenance does not know it, or many localizations lie
    outside, it is the smallest that holds all localizations.
    """
    try:
        frames, height_px, width_px = (int(length) for length in provenance["movie_shape"])
        if not all(0 <= length < _BEYOND_ANY_MOVIE for length in (frames, height_px, width_px)):
            raise ValueError("no size of a movie")
    except (KeyError, TypeError, ValueError, OverflowError):
        frames, height_px, width_px = 1, 0, 0
    if many_are_beyond(y_px, height_px) or many_are_beyond(x_px, width_px) or not (height_px and width_px):
        height_px, width_px = _length(y_px), _length(x_px)
    last = int(frame.max()) + 1 if len(frame) else 1
    movie = {"Frames": max(frames, last), "Height": height_px, "Width": width_px}
    made_by = f"{_OURS} v{package_version()}"
    return [
        {**movie, "Generated by": made_by},
        # Once through JSON: YAML would keep tuples and the like apart.
        {
            "Generated by": made_by,
            "Pixelsize": pixel_size_nm,
            _OURS: json.loads(json.dumps(provenance)),
        },
    ]


def many_are_beyond(positions_px: NDArray[Any], length_px: int) -> bool:
    """Tell whether many positions lie beyond a movie's edge.

    Drift and transformations move some there, and Picasso drops them.
    """
    return len(positions_px) > 0 and bool(np.mean(positions_px >= length_px) > _LARGEST_SHARE_BEYOND)


def yaml_text(documents: list[dict[str, Any]]) -> str:
    """Return documents as YAML, in ASCII: Picasso reads it in whatever encoding the system has."""
    return str(
        yaml.dump_all(
            encodable(documents),
            Dumper=_SafeDumper,
            default_flow_style=False,
            allow_unicode=False,
            sort_keys=False,
        )
    )


def _documents(path: Path, embedded: str | None) -> tuple[Path | None, list[dict[str, Any]]]:
    """Return the documents, and the file that holds them; None if there are none."""
    beside = metadata_path(path)
    if beside.is_file():
        try:
            text = read_small_text(beside, errors="replace")
            found = plain_values(list(yaml.load_all(text, _Loader)))
        except BlinkspotError:
            raise
        except Exception as error:  # PyYAML's constructors raise whatever they stumble over
            if isinstance(error, OSError) and error.strerror:
                raise BlinkspotError(f"The metadata {beside} cannot be read: {error.strerror}.") from error
            raise BlinkspotError(
                f"The metadata {beside} of the table {path.name} cannot be read as YAML: mend them."
            ) from error
        documents = [document for document in found if isinstance(document, dict)]
        if not documents:
            raise BlinkspotError(
                f"The metadata {beside} of the table {path.name} are not those of Picasso: "
                "put the right ones there."
            )
        return beside, documents
    if embedded is None:
        return None, []
    try:
        found = plain_values(json.loads(embedded))
    except (ValueError, RecursionError):
        return None, []
    if not isinstance(found, list):
        return None, []
    return path, [document for document in found if isinstance(document, dict)]


def plain_values(value: Any) -> Any:
    """Return what YAML or JSON held as values that JSON can hold; times become text, other things nothing.

    Raises
    ------
    ValueError
        If there are very many of them, as a few aliases within aliases make, or they are nested very deep.
    """
    left = [_MOST_VALUES]

    def plain(each: Any, level: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or level > _MOST_LEVELS:
            raise ValueError("too many values")
        if isinstance(each, dict):
            return {str(name): plain(held, level + 1) for name, held in each.items()}
        if isinstance(each, list | tuple | set):
            return [plain(held, level + 1) for held in each]
        if isinstance(each, datetime.date):
            return each.isoformat()
        if isinstance(each, int) and not isinstance(each, bool) and abs(each) > _LARGEST_WHOLE:
            return float(each) if abs(each) < 10**300 else None
        return each if isinstance(each, str | int | float | bool) else None

    return plain(value, 0)


def _stated_pixel_size_nm(source: Path, documents: list[dict[str, Any]]) -> float:
    stated = next((value for key in _PIXEL_SIZE if (value := _last(documents, key)) is not None), None)
    if stated is None:
        raise BlinkspotError(
            f"The metadata {source} do not state the pixel size: give it (pixel_size_nm; --pixel-size-nm of "
            "blinkspot convert), or add a line 'Pixelsize: 100', in nm, to the YAML."
        )
    try:
        return checked_pixel_size_nm(stated)
    except BlinkspotError as error:
        raise BlinkspotError(
            f"The metadata {source} state the pixel size {in_brief(stated, 40)!r}, which is no number from "
            "1 to 100,000 nm: correct them, or give it (pixel_size_nm; --pixel-size-nm of blinkspot convert)."
        ) from error


def _last(documents: list[dict[str, Any]], key: str) -> Any:
    """Return a key's value in the last document that has one."""
    return next((document[key] for document in reversed(documents) if document.get(key)), None)


def _whole(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number < _BEYOND_ANY_MOVIE else None


def _length(positions_px: NDArray[Any]) -> int:
    """Return how many pixels hold positions that count from the first pixel's centre."""
    return max(math.floor(float(np.max(positions_px)) + 0.5) + 1, 1) if len(positions_px) else 1
