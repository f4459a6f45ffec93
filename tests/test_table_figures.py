"""The figures of the denoising paper's Table 1."""

import json

import numpy as np
import pytest

from blinkspot.evaluation.comparing.table_figures import before_and_after, table_figures
from blinkspot.localization import LocalizationTable


def table(n, *, valid=True, frames=None):
    rows = np.arange(n)
    columns = {
        "frame": rows,
        "x_nm": rows,
        "y_nm": rows,
        "sigma_nm": 100.0 + rows,
        "uncertainty_nm": np.where(rows % 2, np.nan, 10.0 + rows),
    }
    about = {} if frames is None else {"movie_shape": [frames, 10, 10]}
    return LocalizationTable.from_columns(columns, uncertainty_is_valid=valid, provenance=about)


def test_means_and_standard_deviations_are_those_of_the_known_values():
    found = table_figures(table(9, frames=3))
    assert (found.molecules, found.molecules_per_frame) == (9, 3.0)
    # Of 0, 1, ..., n - 1 the variance is (n^2 - 1) / 12.
    assert found.sigma.mean_nm == pytest.approx(104.0)
    assert found.sigma.std_nm == pytest.approx(np.sqrt(80.0 / 12.0))
    assert found.uncertainty.mean_nm == pytest.approx(14.0)
    assert found.uncertainty.std_nm == pytest.approx(2.0 * np.sqrt(24.0 / 12.0))
    assert (found.sigma.n, found.uncertainty.n) == (9, 5)


def test_before_and_after():
    found = before_and_after(table(4), table(10, valid=False))
    assert found.times_as_many == 2.5
    assert found.before.molecules_per_frame is None
    record = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert record["after"]["uncertainty_is_valid"] is False
    assert record["before"]["uncertainty_is_valid"] is True


def test_empty_tables_have_no_figures():
    record = before_and_after(table(0), table(0)).as_dict()
    assert record["times_as_many"] is None
    assert record["before"]["sigma"] == {"mean_nm": None, "std_nm": None, "n": 0}
    json.dumps(record, allow_nan=False)
