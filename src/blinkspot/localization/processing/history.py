"""Apply steps one after another, and repeat those that a table's record holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.registry import STEPS
from blinkspot.localization.processing.step import RECORD, Step
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress


def process(table: LocalizationTable, steps: Sequence[Step]) -> Generator[Progress, None, LocalizationTable]:
    """Apply steps in order.

    Parameters
    ----------
    table : LocalizationTable
        Not changed.
    steps : sequence of Step

    Yields
    ------
    Progress
        Of each step in turn.

    Returns
    -------
    LocalizationTable
        Its record names the steps after those that ``table`` has gone through before.
    """
    for step in steps:
        table = yield from step.apply(table)
    return table


def recorded_steps(table: LocalizationTable) -> list[Step]:
    """Return the steps that a table has gone through, to be applied to another.

    Parameters
    ----------
    table : LocalizationTable

    Returns
    -------
    list of Step
        Empty where the record holds none.

    Raises
    ------
    BlinkspotError
        If the record holds a step that this version does not know, or settings that it does not take.
    """
    record = table.provenance.get(RECORD, [])
    if not isinstance(record, list):
        raise BlinkspotError("The table's record of its steps is damaged: 'processing' is not a list.")
    return [_rebuilt(number, entry) for number, entry in enumerate(record, start=1)]


def _rebuilt(number: int, entry: Any) -> Step:
    if not isinstance(entry, dict) or not isinstance(entry.get("settings"), dict):
        raise BlinkspotError(f"Step {number} of the table's record is damaged: it has no settings.")
    name = entry.get("step")
    if not isinstance(name, str) or name not in STEPS:
        raise BlinkspotError(
            f"Step {number} of the table's record is {name!r}, which this version does not know: "
            f"it knows {', '.join(STEPS)}."
        )
    return make_step(name, entry["settings"])


def make_step(name: str, settings: dict[str, Any]) -> Step:
    """Make a step of its name, one of ``STEPS``, and its settings.

    Raises
    ------
    BlinkspotError
        If it has no such setting, or a value is not allowed.
    """
    kind = STEPS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    for each in settings:
        if each not in known:
            raise BlinkspotError(f"The step {name} has no setting {each}: it has {', '.join(known)}.")
    return kind(**settings)
