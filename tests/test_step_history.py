"""Steps that are taken back, and what they are called."""

import numpy as np

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing import Filter, Merge, process
from blinkspot.localization.processing.description import described_steps
from blinkspot.localization.processing.drift import Drift, LoadedDrift, write_drift
from blinkspot.localization.processing.undo import StepHistory
from blinkspot.progress import finish


def test_a_step_taken_back_gives_the_very_table_before(tmp_path):
    random = np.random.default_rng(2)
    source = LocalizationTable.from_columns(
        {"frame": np.arange(50) % 10, **{name: random.uniform(0, 900, 50) for name in ("x_nm", "y_nm")}}
    )
    drift = Drift(np.linspace(0.0, 90.0, 10), np.zeros(10))
    write_drift(drift, tmp_path / "drift.csv")
    source = finish(process(source, [Filter("x_nm < 800")]))
    history = StepHistory(source)
    assert (history.n_steps, history.n_before, history.drift) == (0, 1, None)
    corrected = finish(LoadedDrift(str(tmp_path / "drift.csv")).apply(source))
    merged = finish(Merge(100.0).apply(corrected))
    history.add([corrected, merged])
    assert history.table is merged
    assert history.source is source
    np.testing.assert_allclose(history.drift.x_nm, drift.x_nm)
    assert [line.split(":")[0] for line in history.descriptions] == [
        "filter x_nm < 800",
        "drift",
        "merge within 100 nm, 1 dark frame",
    ]
    history.undo()
    assert history.table is corrected
    history.undo()
    assert history.table is source
    history.undo()
    assert history.table is source
    history.add([corrected, merged])
    history.clear()
    assert history.table is source
    assert history.descriptions == described_steps(source)


def test_steps_are_described_in_words():
    record = [
        {
            "step": "filter",
            "settings": {"expression": "photons > 200"},
            "rows_before": 5678,
            "rows_after": 1234,
        },
        {"step": "drift", "settings": {"method": "rcc"}, "segment_frames": 50.0, "warnings": ["Look."]},
        {"step": "fiducials", "settings": {}, "fiducials": [{}, {}]},
        {"step": "loaded_drift", "settings": {"path": "d.csv"}},
        {"step": "duplicates", "settings": {"distance_nm": None}, "rows_before": 3, "rows_after": 3},
        {"step": "duplicates", "settings": {"distance_nm": 30.0}, "rows_before": 3, "rows_after": 2},
        {"step": "merge", "settings": {"radius_nm": 20.0, "dark_frames": 1, "longest_frames": 0}},
        {"step": "density", "settings": {"radius_nm": 50.0, "neighbours": 5, "dimensions": 2}},
        {"step": "rectangle", "settings": {"x_from_nm": 5.5, "y_to_nm": None, "keep": "inside"}},
        "damaged",
        {"step": "of tomorrow"},
    ]
    molecules = LocalizationTable.from_columns({}, provenance={"processing": record})
    assert described_steps(molecules) == [
        "filter photons > 200: 1,234 of 5,678 stay",
        "drift: redundant cross-correlation, segments of 50 frames",
        "drift: 2 fiducials",
        "drift: from the file d.csv",
        "duplicates",
        "duplicates closer than 30 nm: 2 of 3 stay",
        "merge within 20 nm, 1 dark frame",
        "density of 5 others within 50 nm",
        "rectangle: x_from_nm 5.5, keep inside",
        "of tomorrow",
    ]
    assert described_steps(molecules.with_provenance({"processing": "damaged"})) == []
