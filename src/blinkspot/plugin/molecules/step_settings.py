"""The steps that can be done to a table, and their settings, in words of the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FROM_FILE = "loaded_drift"
"""Name of the step whose settings are a file."""
FORMULA = "uncertainty"
"""Name of the step whose formula needs the camera's pixel."""
DRIFT_STEPS = frozenset({"drift", "fiducials", FROM_FILE})
"""Names of the steps that take a drift off."""


@dataclass(frozen=True)
class Number:
    """A setting that is a number.

    Attributes
    ----------
    decimals : int or None
        None: a whole number.
    lowest_text : str
        What the lowest value says in place of its number; empty: it is a number like others.
    lowest_is_none : bool
        Whether the lowest value means that the step itself chooses.
    """

    label: str
    tip: str
    lowest: float
    highest: float
    default: float
    unit: str = ""
    decimals: int | None = None
    lowest_text: str = ""
    lowest_is_none: bool = False


@dataclass(frozen=True)
class Choice:
    """A setting that is one of a few values."""

    label: str
    tip: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class StepSettings:
    """A step: what it is called, what it does, and its settings by name."""

    title: str
    tip: str
    settings: Mapping[str, Number | Choice]


STEPS: Mapping[str, StepSettings] = {
    "duplicates": StepSettings(
        "Remove duplicates",
        "Of localizations of one frame that have found the same molecule, the surest stays.",
        {
            "distance_nm": Number(
                "Closer than",
                "Localizations of one frame that are closer than this are one molecule, in nm. Typical: the "
                "uncertainty of the less sure of the two, which stands for no number.",
                0.0,
                999.0,
                0.0,
                " nm",
                1,
                "uncertainty",
                lowest_is_none=True,
            )
        },
    ),
    "merge": StepSettings(
        "Merge blinks",
        "Make one row of the localizations of a molecule that shone in several frames.",
        {
            "radius_nm": Number(
                "Radius",
                "Greatest distance from the molecule's mean position so far, in nm. Typical: 20 nm, some two "
                "times the uncertainty.",
                0.1,
                999.0,
                20.0,
                " nm",
                1,
            ),
            "dark_frames": Number(
                "Dark frames",
                "Most frames in between in which the molecule is not found. Typical: 1.",
                0,
                99_999,
                1,
            ),
            "longest_frames": Number(
                "Longest life",
                "Most frames from the first to the last localization of a molecule; later ones are another. "
                "Typical: no limit.",
                0,
                999_999,
                0,
                " frames",
                lowest_text="no limit",
            ),
        },
    ),
    "density": StepSettings(
        "Filter by density",
        "Keep each molecule that has enough others around it, of whatever frames.",
        {
            "radius_nm": Number(
                "Radius", "How far neighbours may be, in nm. Typical: 50 nm.", 0.1, 9999.0, 50.0, " nm", 1
            ),
            "neighbours": Number(
                "Neighbours", "Fewest other molecules within the radius. Typical: 5.", 1, 1000, 5
            ),
        },
    ),
    "drift": StepSettings(
        "Correct drift",
        "Find the drift from the molecules themselves and take it off.",
        {
            "method": Choice(
                "Method",
                "Each frame laid onto all the others after redundant cross-correlation, or that alone.",
                {"overlap": "Frame by frame", "rcc": "Redundant cross-correlation"},
            ),
            "segment_frames": Number(
                "Segment",
                "Frames that are correlated as one. Typical: chosen from the data, some 20 segments.",
                0,
                99_999,
                0,
                " frames",
                lowest_text="auto",
                lowest_is_none=True,
            ),
            "largest_shift_nm": Number(
                "Largest shift",
                "Largest drift between two segments along an axis, in nm. Typical: 1000 nm.",
                1.0,
                99_999.0,
                1000.0,
                " nm",
                0,
            ),
        },
    ),
    "fiducials": StepSettings(
        "Correct drift by fiducials",
        "Find marks that shine in nearly every frame, such as beads, and take off the drift they show.",
        {
            "radius_nm": Number(
                "Reach",
                "Greatest distance of a fiducial from one frame to the next, in nm. Typical: 200 nm.",
                1.0,
                9999.0,
                200.0,
                " nm",
                0,
            ),
            "least_presence": Number(
                "In at least",
                "Part of the frames in which a fiducial must be found. Typical: 0.8.",
                0.05,
                1.0,
                0.8,
                " of frames",
                2,
            ),
        },
    ),
    FROM_FILE: StepSettings(
        "Take off drift of a file...",
        "Take off the drift that a file holds: our CSV (frame, x and y in nm) or Picasso's text.",
        {},
    ),
    FORMULA: StepSettings(
        "Uncertainties by formula",
        "Replace the uncertainties by those of a published formula, for comparison with other programs.",
        {
            "formula": Choice(
                "Formula",
                "Of which paper. Rieger and Stallinga's is for maximum likelihood fits, Thompson et al.'s "
                "for least squares; Mortensen et al. have one for each.",
                {
                    "rieger": "Rieger and Stallinga 2014",
                    "mortensen-mle": "Mortensen et al. 2010, likelihood",
                    "mortensen-lsq": "Mortensen et al. 2010, least squares",
                    "thompson": "Thompson et al. 2002",
                },
            ),
            "em_gain": Number(
                "EM gain",
                "Of the camera, where the table does not tell it; 1 for no EM register. Typical: auto, as "
                "the table says.",
                0.0,
                9999.0,
                0.0,
                " ×",
                1,
                "auto",
                lowest_is_none=True,
            ),
        },
    ),
}
