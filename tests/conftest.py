"""Fixtures that several test files share."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and simulated movies that lies beside a development checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared movies are not beside this checkout (../shared/data)")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def quick_context_choice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of the window look at what it shows, not at how well a movie's context frames are chosen."""
    if request.path.name.startswith("test_plugin"):
        monkeypatch.setattr("blinkspot.denoising.context_choice._STEPS", 10)
