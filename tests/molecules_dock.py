"""What the tests of the Molecules dock share: a table with a drift, and the hands that work on it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from test_plugin_helpers import CAMERA, click, wait_for_end

from blinkspot.localization import LocalizationTable
from blinkspot.localization.processing.drift import Drift
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE

FRAMES, SIDE_PX = 40, 32


@lru_cache
def table(rows=3000, frames=FRAMES):
    """Return sixty molecules, found again and again while the sample drifts."""
    random = np.random.default_rng(5)
    frame = np.sort(random.integers(0, frames, rows))
    spot = random.integers(0, 60, rows)
    uncertainty = random.gamma(4.0, 3.0, rows) + 3.0
    places = random.uniform(200.0, 2800.0, (60, 2))
    x = places[spot, 0] + random.normal(0, uncertainty) + true_drift(frames).x_nm[frame]
    y = places[spot, 1] + random.normal(0, uncertainty) + true_drift(frames).y_nm[frame]
    columns = {
        "frame": frame,
        "x_nm": x,
        "y_nm": y,
        "sigma_nm": random.normal(130.0, 10.0, rows),
        "photons": random.gamma(2.0, 150.0, rows) + 50.0,
        "background_photons": random.normal(10.0, 1.0, rows),
        "uncertainty_nm": uncertainty,
    }
    made_by = {"camera": CAMERA.as_dict(), "movie_shape": [frames, SIDE_PX, SIDE_PX]}
    return LocalizationTable.from_columns(columns, provenance=made_by)


def true_drift(frames=FRAMES):
    """Return the drift in the table."""
    phase = np.arange(frames) / frames
    return Drift(150.0 * np.sin(3.0 * phase), 120.0 * phase)


def save_alone(path, **more):
    """Save the table without its provenance, as other programs do; return the path."""
    table().save(path, **more)
    path.with_suffix(".provenance.json").unlink()
    return path


def add_table(viewer, molecules=None, **more):
    """Add a layer of localizations as the Localize dock does."""
    molecules = table() if molecules is None else molecules
    return viewer.add_points(
        molecules_px(molecules),
        features=molecules.features,
        **{
            "name": "movie localizations (noisy)",
            "scale": (1.0, 0.1, 0.1),
            "metadata": {ROLE: "localizations", PROVENANCE: molecules.provenance},
            **more,
        },
    )


def molecules_px(molecules):
    columns = [molecules.column("frame")]
    columns += [molecules.column(name) / CAMERA.pixel_size_nm - 0.5 for name in ("y_nm", "x_nm")]
    return np.column_stack(columns).astype(np.float32)


def wait_for_count(qtbot, dock, left, of=None):
    expected = f"{left:,} of {len(table()) if of is None else of:,} left"
    qtbot.waitUntil(lambda: dock.counts.text() == expected, timeout=20_000)


def ready(qtbot, viewer, dock, **more):
    """Have a table chosen and its histogram shown."""
    layer = add_table(viewer, **more)
    wait_for_count(qtbot, dock, len(table()))
    qtbot.waitUntil(lambda: dock.filter.plot.histogram is not None, timeout=5000)
    return layer


def current(dock):
    """Return the table as it is after the steps."""
    return dock._work.opened.history.table


def drag(dock, low, high):
    """Drag both ends of the range."""
    dock.filter.plot.region.setRegion((low, high))


def choose_column(qtbot, dock, text):
    dock.filter.column.setCurrentText(text)
    name = dock.filter.column.currentData()
    qtbot.waitUntil(lambda: dock.filter.plot.histogram.column == name, timeout=5000)


def apply_step(qtbot, dock, name, **settings):
    dock.steps.choose(name)
    for key, value in settings.items():
        dock.steps.fields[name][key].setValue(value)
    click(qtbot, dock.apply_button)
    wait_for_end(qtbot, dock)


def lines(dock):
    return [dock.done.list.item(index).text() for index in range(dock.done.list.count())]


def points_of(layer):
    """Return the points of a layer in an order of their own."""
    return layer.data[np.lexsort(layer.data.T)]


def rings_of(qtbot, viewer):
    """Return the rings around what is left, once they are there."""
    qtbot.waitUntil(lambda: "movie localizations (noisy) processed" in viewer.layers, timeout=5000)
    return viewer.layers["movie localizations (noisy) processed"]


def wait_for_points(qtbot, layer, molecules):
    expected = molecules_px(molecules)
    expected = expected[np.lexsort(expected.T)]
    qtbot.waitUntil(
        lambda: layer.data.shape == expected.shape and np.allclose(points_of(layer), expected, atol=1e-3),
        timeout=5000,
    )
