"""What every step after the fits is: settings that take one table to another, and the record of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from typing import Any, ClassVar, Protocol

from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress
from blinkspot.provenance import package_version

RECORD = "processing"


class Step(Protocol):
    """A step after the fits: a frozen dataclass whose values are checked when it is made.

    Attributes
    ----------
    name : str
        One word, as the command line and the record know it: ``"merge"``.
    """

    name: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table after this step, whose record (:func:`recorded`) names the step last.

        Parameters
        ----------
        table : LocalizationTable
            Not changed.

        Yields
        ------
        Progress
            At least every 50 ms where the work can be cut.

        Raises
        ------
        BlinkspotError
            If the table lacks what the step needs.
        """
        ...


def settings_of(step: Step) -> dict[str, Any]:
    """Return the settings of a step, JSON-ready, by the names of its fields."""
    content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(step)))
    return content


def recorded(
    step: Step, before: LocalizationTable, after: LocalizationTable, **findings: Any
) -> LocalizationTable:
    """Return ``after`` with this step added to the record that ``before`` carries.

    ``provenance["processing"]`` gains ``{"step", "settings", "version", "rows_before", "rows_after"}`` and
    the findings. The rest of the provenance is that of ``before``; neither table is changed.

    Parameters
    ----------
    step : Step
    before, after : LocalizationTable
    **findings
        What the step found on the way, JSON-ready.
    """
    entry = {
        "step": step.name,
        "settings": settings_of(step),
        "version": package_version(),
        "rows_before": len(before),
        "rows_after": len(after),
        **findings,
    }
    provenance = {**before.provenance, RECORD: [*before.provenance.get(RECORD, []), entry]}
    return after.with_provenance(provenance)
