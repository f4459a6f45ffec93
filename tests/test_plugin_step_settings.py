"""The steps as the window offers them are those of the backend, though it knows them without importing it."""

import dataclasses
from typing import get_args, get_type_hints

import pytest

from blinkspot.localization.processing import STEPS
from blinkspot.plugin.molecules.step_settings import STEPS as OFFERED
from blinkspot.plugin.molecules.step_settings import Number


@pytest.mark.parametrize("name", OFFERED)
def test_every_setting_offered_is_the_steps_own_and_begins_with_its_default(name):
    defaults = {field.name: field.default for field in dataclasses.fields(STEPS[name])}
    for key, offered in OFFERED[name].settings.items():
        if isinstance(offered, Number):
            none = offered.lowest_is_none and offered.default == offered.lowest
            assert (None if none else offered.default) == defaults[key], key
        else:
            assert next(iter(offered.values)) == defaults[key], key
            assert set(offered.values) == set(get_args(get_type_hints(STEPS[name])[key])), key
