"""Fixtures that several test files share."""

import copy
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

# How long an example takes says nothing on a machine with other work.
hypothesis.settings.register_profile("blinkspot", deadline=None)
hypothesis.settings.load_profile("blinkspot")

# Test files that run at the same time share the cores: threads of torch and of BLAS would only wait for each
# other. Here, for both look once, when they are imported; and not in the process that starts the others, for
# these inherit what is set there.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    _AT_A_TIME = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _AT_A_TIME)))

# The tests' viewers neither read napari's settings nor reset those of whoever runs them, nor write a file
# each time a dock is opened. napari looks once, when it is imported.
os.environ["NAPARI_CONFIG"] = ""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and simulated movies that lies beside a development checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared movies are not beside this checkout (../shared/data)")
    return SHARED_DATA


def instead(module: ModuleType, name: str, value: int) -> Iterator[int]:
    """Have a module's number be another one meanwhile; yield the one that it has else."""
    thorough = getattr(module, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, value)
        yield thorough


@pytest.fixture(scope="session", autouse=True)
def thorough_choice_steps() -> Iterator[int]:
    """Have context frames chosen roughly, in a few steps; return how many a thorough choice takes."""
    from blinkspot.denoising.training import context_choice

    yield from instead(context_choice, "_STEPS", 10)


@pytest.fixture(scope="session", autouse=True)
def thorough_empty_frames() -> Iterator[int]:
    """Have the spots of noise counted on few empty frames; return on how many they are counted else."""
    from blinkspot.localization import acceptance

    yield from instead(acceptance, "FRAMES", 64)


@pytest.fixture(scope="session", autouse=True)
def manifests_read_once() -> Iterator[None]:
    """Have the plugins' manifests parsed once, and not, in a fifth of its time, for each viewer anew."""
    from npe2.manifest import _bases

    parse, parsed = _bases._load_yaml_no_duplicates, {}

    def parse_once(stream: Any) -> Any:
        text = stream if isinstance(stream, str) else stream.read()
        if text not in parsed:
            parsed[text] = parse(text)
        return copy.deepcopy(parsed[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bases, "_load_yaml_no_duplicates", parse_once)
        yield


@pytest.fixture(scope="module", autouse=True)
def light_pages_only(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have a report's charts drawn for the light page alone, in half the time, but by its own tests."""
    if request.path.name == "test_report.py":
        yield
        return
    from blinkspot.evaluation.report import drawings

    def in_one_theme(draw: drawings.Drawing) -> tuple[bytes, bytes]:
        light = drawings.png(draw(drawings.LIGHT))
        return light, light

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawings, "in_both_themes", in_one_theme)
        yield


@pytest.fixture(autouse=True)
def window_of_its_own(request: pytest.FixtureRequest) -> None:
    """Tests of the window touch nothing of their user's, and are spared what takes long and nobody looks at.

    They have no remembered cameras and unfinished trainings but their own. A job that is slow on a machine
    with other work is not taken for one whose disk does not answer. napari's welcome, which is not shown,
    tells no shortcuts, as it does anew for each of 176 keys bound; and Qt's events do not go through Python
    so that a menu bar that is hidden comes up under the mouse. Garbage, which napari seeks whenever a layer
    is removed and at the end of each test, is sought among what the test makes.
    """
    if not request.path.name.startswith("test_plugin"):
        return
    folder, monkeypatch = request.getfixturevalue("tmp_path"), request.getfixturevalue("monkeypatch")
    monkeypatch.setattr("blinkspot.plugin.camera.keeper.cameras_folder", lambda: folder / "cameras")
    monkeypatch.setattr("blinkspot.plugin.train.unfinished.trainings_folder", lambda: folder / "trainings")
    monkeypatch.setattr("blinkspot.plugin.jobs.running._PATIENCE_S", 30.0)
    welcome = "napari._qt.widgets.qt_welcome.QtWelcomeWidget"
    monkeypatch.setattr(f"{welcome}.refresh", lambda *_: None, raising=False)
    monkeypatch.delattr("napari._qt.qt_main_window._QtMainWindow.eventFilter", raising=False)
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> None:
    """Have garbage sought among what the tests of a file make, not among the million objects of before."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def viewer(qtbot: Any, make_napari_viewer: Callable[[], Any]) -> Iterator[Any]:
    """An empty viewer, not on the screen; a worker thread that outlives the test fails it."""
    from test_plugin_helpers import wait_for_workers

    viewer = make_napari_viewer()
    yield viewer
    wait_for_workers(qtbot)
