"""Replace the uncertainties of a table by those of a published formula."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.rows import table_of
from blinkspot.localization.processing.settings import check_choice, check_number, setting
from blinkspot.localization.processing.step import recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.uncertainty import Formula, closed_form_uncertainty
from blinkspot.paced import in_parts
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class UncertaintyFormula:
    """Replace the uncertainties by those of a published formula, for comparison with other programs.

    See :mod:`blinkspot.localization.uncertainty` for the formulas. Where the table knows the widths of both
    axes, each axis has its own, and ``uncertainty_nm`` is their root mean square. The read noise that the
    table's provenance names counts as background. Of localizations that were merged, the photons are the sum
    of their frames, and so must the background be: it is multiplied by ``detections``. That of z stays.

    What is computed of fits on denoised pixels is not valid, also where theirs were calibrated by the model:
    the formulas are of counts.

    Attributes
    ----------
    formula : {"rieger", "mortensen-mle", "mortensen-lsq", "thompson"}
    pixel_size_nm : float or None
    em_gain : float or None
        Above 1: the photoelectrons went through an EM register. Both None: from the table's provenance.

    Raises
    ------
    BlinkspotError
        If a value is not allowed; when applied, if the table or its provenance lacks what the formula needs.
    """

    name: ClassVar[str] = "uncertainty"

    formula: Literal["thompson", "mortensen-lsq", "mortensen-mle", "rieger"] = setting(
        "rieger", "rieger, mortensen-mle, mortensen-lsq or thompson"
    )
    pixel_size_nm: float | None = setting(None, "none: from the table's provenance", "nm")
    em_gain: float | None = setting(None, "above 1: with an EM register; none: from the table's provenance")

    def __post_init__(self) -> None:
        make_plain(self)
        check_choice(self.name, "formula", self.formula, get_args(Formula))
        if self.pixel_size_nm is not None:
            check_number(self.name, "pixel_size_nm", self.pixel_size_nm, 1.0, 1e5)
        if self.em_gain is not None:
            check_number(self.name, "em_gain", self.em_gain, 1.0, 1e5)

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table with other uncertainties; see :class:`.step.Step`."""
        camera = self._camera(table)
        for name in ("photons", "background_photons"):
            self._check_known(table, name)
        clock = Stopwatch("computing uncertainties", 1.0)
        yield clock.at(0.0)
        columns = {name: table.column(name) for name in table.data.columns}
        if table.knows("sigma_x_nm") and table.knows("sigma_y_nm"):
            widths = columns["sigma_x_nm"], columns["sigma_y_nm"]
            x = yield from self._along(columns, widths, camera, clock, (0.0, 0.5))
            y = yield from self._along(columns, widths[::-1], camera, clock, (0.5, 1.0))
            columns |= {"uncertainty_x_nm": x, "uncertainty_y_nm": y}
            columns["uncertainty_nm"] = np.sqrt(0.5 * (x**2 + y**2))
        else:
            self._check_known(table, "sigma_nm")
            widths = columns["sigma_nm"], columns["sigma_nm"]
            columns["uncertainty_nm"] = yield from self._along(columns, widths, camera, clock, (0.0, 1.0))
            # They would not agree with it.
            columns.pop("uncertainty_x_nm", None)
            columns.pop("uncertainty_y_nm", None)
        computed = table_of(columns, table)
        if _was_fitted_on_denoised(table):
            computed = replace(computed, uncertainty_is_valid=False)
        used = {"pixel_size_nm": camera.pixel_size_nm, "excess_noise_factor": camera.excess_noise_factor}
        return recorded(self, table, computed, used=used)

    def _along(
        self,
        columns: dict[str, FloatArray],
        widths: tuple[FloatArray, FloatArray],
        camera: Camera,
        clock: Stopwatch,
        done: tuple[float, float],
    ) -> Generator[Progress, None, FloatArray]:
        """Compute the uncertainty along the axis of the first of two widths."""
        photons, background = columns["photons"], columns["background_photons"]
        detections = columns.get("detections", np.ones(len(photons)))
        read_noise = (camera.read_noise_electrons / camera.em_gain) ** 2 / camera.excess_noise_factor
        result = np.empty(len(photons))

        def compute(part: slice) -> None:
            frames = np.where(np.isfinite(detections[part]), detections[part], 1.0)
            result[part] = closed_form_uncertainty(
                self.formula,
                widths[0][part],
                photons[part],
                (np.maximum(background[part], 0.0) + read_noise) * frames,
                camera.pixel_size_nm,
                camera.excess_noise_factor,
                widths[1][part],
            )

        yield from in_parts(compute, len(photons), clock, done)
        return result

    def _check_known(self, table: LocalizationTable, name: str) -> None:
        if len(table) and not table.knows(name):
            raise BlinkspotError(
                f"uncertainty: the formula {self.formula} needs the column {name}, of which this table knows "
                "nothing: localize the movie with blinkspot, or take a table that has it."
            )

    def _camera(self, table: LocalizationTable) -> Camera:
        """Return what is known of the camera, which is enough for the formulas."""
        noted = table.provenance.get("camera")
        known = dict(noted) if isinstance(noted, dict) else {}
        for name in ("pixel_size_nm", "em_gain"):
            given = getattr(self, name)
            if given is not None:
                known[name] = given
            elif known.get(name) is None:
                raise BlinkspotError(
                    f"uncertainty: this table's provenance does not tell the camera's {name}: give it, as in "
                    f"{name}={'100' if name == 'pixel_size_nm' else '1'}."
                )
        names = ("pixel_size_nm", "em_gain", "read_noise_electrons")
        return Camera.from_dict({name: known[name] for name in names if known.get(name) is not None})


def _was_fitted_on_denoised(table: LocalizationTable) -> bool:
    settings = table.provenance.get("settings")
    return isinstance(settings, dict) and settings.get("fit_on") == "denoised"
