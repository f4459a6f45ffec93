"""The report's folder: whole, self-contained, and saying what the comparison says."""

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import (
    PRESETS,
    ComparisonSettings,
    NotMeasured,
    check_held_out,
    compare,
    held_out_settings,
    simulate,
    verdict,
    write_report,
)
from blinkspot.evaluation.report import writing
from blinkspot.evaluation.report.drawings import drawings_of
from blinkspot.evaluation.report.page import calibration_sentence, page_of
from blinkspot.evaluation.report.pictures import Wipe, _smaller, reconstruction_wipe
from blinkspot.evaluation.residuals.verdict import verdict as residual_verdict
from blinkspot.localization import read_table
from blinkspot.movies.stack import Stack
from blinkspot.progress import finish

SETTINGS = dataclasses.replace(PRESETS["low-light"], frames=90, size_px=(32, 40), density_per_um2=0.2, seed=5)
EVERYWHERE = {
    "index.html", "scores.json", "frame.png",
    *(f"{route}{suffix}" for route in ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
      for suffix in (".csv", ".provenance.json")),
    *(f"reconstruction_{route}{suffix}" for route in ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
      for suffix in (".png", ".tif")),
}  # fmt: skip
VOID = {"meta", "img", "source", "br", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers text and sources."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.alts = 0
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.sources += [values[name] for name in ("src", "srcset", "href") if name in values]
        self.alts += bool(values.get("alt"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def movies():
    chunks, truth = [], None
    job = simulate(SETTINGS)
    while truth is None:
        try:
            chunks.append(next(job))
        except StopIteration as stop:
            truth = stop.value
    noisy = np.concatenate([chunk.frames for chunk in chunks])
    smooth = gaussian_filter(noisy.astype(np.float32), (0.9, 1.0, 1.0))
    made_by = {"step": "denoise", "model": {"seed": 7, "network": "<b>dilated</b>"}}
    return (
        Stack(noisy, Path("<img src=x>.tif")),
        Stack(smooth, Path("smooth.tif"), metadata={"provenance": made_by}),
        truth,
    )


@pytest.fixture(scope="module")
def with_truth(movies):
    noisy, denoised, truth = movies
    return finish(compare(noisy, denoised, SETTINGS.camera, truth))


@pytest.fixture(scope="module")
def without_truth(movies):
    noisy, denoised, _ = movies
    return finish(compare(noisy, denoised, SETTINGS.camera))


@pytest.fixture(scope="module")
def folder(with_truth, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "report"
    assert finish(write_report(with_truth, folder)) == folder / "index.html"
    return folder


def test_the_folder_holds_everything(folder):
    assert {path.name for path in folder.iterdir()} == EVERYWHERE | {"precision_recall.png"}


def test_the_page_says_what_the_comparison_says(folder, with_truth):
    page = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert verdict(with_truth) in page.text
    for route in with_truth.routes:
        for scores in (route.truthful.at_best, route.truthful.at_default):
            assert f"{scores.f1:.3f}" in page.text
            assert f"{scores.true_positives:,}" in page.text
    assert "not calibrated" in page.text
    assert "12.0" in page.text  # electrons per ADU
    assert f"Frame {with_truth.example.frame + 1}," in page.text
    # Each chart and each picture under a slider has words for those who do not see it.
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert page.alts == html.count("<img ")


def test_the_page_needs_nothing_else(folder):
    html = (folder / "index.html").read_text(encoding="utf-8")
    sources = Page(html).sources
    charts = html.count("<picture>")
    assert len(sources) == 2 * charts + 2 + 4  # charts for light and for dark; frames; reconstructions
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|@import|url\(|<script [^>]*src|fetch\(", html)
    assert html.count("<script") == 1


def test_names_and_provenance_are_escaped(folder):
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "&lt;img src=x&gt;.tif" in html
    assert "&lt;b&gt;dilated&lt;/b&gt;" in html


def test_the_files_beside_the_page(folder, with_truth):
    figures = json.loads((folder / "scores.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert figures["verdict"] == verdict(with_truth)
    assert figures["provenance"]["denoised"]["made_by"]["model"]["seed"] == 7
    for route in with_truth.routes:
        saved = read_table(folder / f"{route.name}.csv")
        np.testing.assert_allclose(saved.data, route.table.data, rtol=1e-8)
        assert saved.uncertainty_is_valid == route.table.uncertainty_is_valid
        picture = tifffile.imread(folder / f"reconstruction_{route.name}.tif")
        np.testing.assert_array_equal(picture, route.picture)


def test_without_truth_the_page_claims_nothing(without_truth, tmp_path):
    page = Page(finish(write_report(without_truth, tmp_path / "report")).read_text(encoding="utf-8"))
    assert {path.name for path in (tmp_path / "report").iterdir()} == EVERYWHERE | {"counts.png"}
    assert verdict(without_truth) in page.text
    for word in ("Best F1", "precision", "recall", "Jaccard", "Denoising helped"):
        assert word not in page.text


def test_a_report_of_a_movie_in_which_nothing_is_found(tmp_path):
    flat = np.full((12, 24, 24), 157.0, np.float32)
    comparison = finish(compare(flat, flat, SETTINGS.camera))
    page = finish(write_report(comparison, tmp_path / "report")).read_text(encoding="utf-8")
    assert "0 localizations" in Page(page).text
    json.loads((tmp_path / "report" / "scores.json").read_text(), parse_constant=pytest.fail)


def test_an_empty_folder_will_do_and_a_full_one_not(with_truth, tmp_path):
    (tmp_path / "empty").mkdir()
    finish(write_report(with_truth, tmp_path / "empty"))
    with pytest.raises(BlinkspotError, match="empty"):
        write_report(with_truth, tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_report_that_fails_leaves_nothing(with_truth, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "save_picture", fail)
    with pytest.raises(BlinkspotError, match="No space left"):
        finish(write_report(with_truth, tmp_path / "report"))
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_is_stopped_leaves_nothing(with_truth, tmp_path):
    job = write_report(with_truth, tmp_path / "report")
    for _ in range(3):
        next(job)
    assert len(list(tmp_path.iterdir())) == 1
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_progress_of_a_report_ends_at_the_end(without_truth, tmp_path):
    values = []
    finish(write_report(without_truth, tmp_path / "report"), values.append)
    fractions = [value.fraction for value in values]
    assert fractions == sorted(fractions)
    assert (fractions[-1], values[0].step) == (1.0, "writing the report")


def pictures_of(html: str, section: str) -> dict[str, np.ndarray]:
    """Return the pictures that a slider lays over one another, RGB, by name."""
    part = html[html.index(f"<h2>{section}") :]
    found = re.findall(
        r'<figure data-name="(\w+)".*?<img src="data:image/png;base64,([^"]+)"', part, re.DOTALL
    )
    return {
        name: np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB"))
        for name, source in reversed(found)
    }


def test_the_pictures_under_the_slider_are_the_routes(folder, with_truth):
    html = (folder / "index.html").read_text(encoding="utf-8")
    pictures = pictures_of(html, "Super-resolved pictures")
    assert set(pictures) == {"noisy", "denoised_fit_raw", "denoised_fit_denoised", "truth"}
    everything = [*(each.picture for each in with_truth.routes), with_truth.truth_picture]
    white = np.concatenate([each[each > 0] for each in everything])
    for route in with_truth.routes:
        shown = pictures[route.name].astype(int).sum(axis=2)
        assert shown.shape == route.picture.shape
        # Black where nothing is, brighter where more is, and alike in all of them.
        assert (shown[route.picture == 0] == shown.min()).all()
        order = np.argsort(route.picture, axis=None)
        assert (np.diff(shown.ravel()[order]) >= -3).all()
        bright = route.picture >= np.percentile(white, 100)
        assert (shown[bright] == shown.max()).all()
    # The scale bar: 1 um in a movie of 40 pixels of 100 nm.
    assert 'style="width: 25.000%"><b>1 µm</b>' in html


@pytest.mark.parametrize(
    ("size_px", "shown_px"), [((64, 64), 700), ((1200, 900), 1200), ((16, 512), 44), ((1000, 2000), 700)]
)
def test_pictures_are_shown_no_higher_than_one_scrolls(size_px, shown_px):
    assert Wipe((), *size_px, 25.0, "1 µm").shown_width_px == shown_px


def test_the_slider_is_there_for_keyboards_and_without_script_nothing_is_hidden(folder):
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<input type="range" min="0" max="100"[^>]*aria-label="[^"]+"', html)) == 2
    radios = re.findall(r'<input type="radio" name="reconstructions" value="(\w+)"( checked)?', html)
    assert [name for name, _ in radios] == ["denoised_fit_raw", "denoised_fit_denoised", "truth"]
    assert [name for name, chosen in radios if chosen] in (["denoised_fit_raw"], ["denoised_fit_denoised"])
    # Only what the script marks as live is laid over one another.
    style = html[html.index("<style>") : html.index("</style>")]
    assert all(".wipe.live" in line for line in style.splitlines() if "clip-path" in line)


def test_calibration_resolution_and_residual_are_in_the_page(folder, with_truth):
    html = (folder / "index.html").read_text(encoding="utf-8")
    text = " ".join(Page(html).text.split())
    for route in with_truth.routes:
        calibration = route.truthful.calibration
        if isinstance(calibration, NotMeasured):
            assert calibration.reason in text
        else:
            assert calibration_sentence(calibration) in text
        scores = route.truthful.at_best
        assert f"{scores.rmse_x_nm:.1f}, {scores.rmse_y_nm:.1f}" in text
        assert f"{scores.efficiency:.1f}".replace("-", "−") in text
        assert f"{route.truthful.bias.photons_ratio:.3f} ± " in text
        found = with_truth.checks.resolution[route.name]
        if isinstance(found, NotMeasured):
            assert found.reason in text
        elif found.ring_correlation.resolution_nm is not None:
            assert f"{found.ring_correlation.resolution_nm:.1f}" in text
    residuals = with_truth.checks.residuals
    assert f"{residuals.variance:.3f} ± {residuals.variance_error:.3f}" in text
    assert residual_verdict(residuals) in text
    assert "tick 'Hold photons out' in napari" in text.replace("&#39;", "'")
    assert "--held-out and the model" in text


def test_versions_and_seeds_are_in_the_page(folder, with_truth):
    text = " ".join(Page((folder / "index.html").read_text(encoding="utf-8")).text.split())
    for name, version in with_truth.provenance["versions"].items():
        assert f"{name} {version}" in text
    assert "training of the model 7" in text
    assert "bootstrap over frames 1" in text


def test_a_large_picture_is_shown_smaller():
    picture = np.arange(6 * 2801, dtype=np.float32).reshape(6, 2801)
    smaller = _smaller(picture)
    assert smaller.shape == (2, 933)
    assert smaller[1, 2] == picture[3:6, 6:9].mean()


def test_the_super_resolved_pictures_of_a_large_field_are_as_bright_as_those_of_a_small_one(with_truth):
    sparse = np.zeros((40, 2801), np.float32)
    sparse[::9, ::90] = 1.0
    routes = [dataclasses.replace(route, picture=sparse) for route in with_truth.routes]
    large = dataclasses.replace(with_truth, **{route.name: route for route in routes}, truth_picture=sparse)
    # Of one localization, too.
    one = dataclasses.replace(
        large.noisy, table=large.noisy.table.chosen(np.arange(len(large.noisy.table)) < 1)
    )
    titles = [each.title for each in reconstruction_wipe(dataclasses.replace(large, noisy=one)).pictures]
    assert titles[0] == "Noisy: 1 localization"
    assert titles[1].endswith(" localizations")
    for each in reconstruction_wipe(large).pictures:
        shown = Image.open(io.BytesIO(base64.b64decode(each.source.partition(",")[2])))
        assert np.unique(np.asarray(shown)).tolist() == [0, 255]


def test_held_out_photons_are_in_the_page(movies, tmp_path):
    noisy, _, truth = movies
    settings = ComparisonSettings(held_out=held_out_settings())
    check = finish(check_held_out(noisy, SETTINGS.camera, None, settings.held_out))
    comparison = finish(compare(noisy, noisy, SETTINGS.camera, truth))
    comparison = dataclasses.replace(
        comparison, checks=dataclasses.replace(comparison.checks, held_out=check)
    )
    page = finish(write_report(comparison, tmp_path / "report")).read_text(encoding="utf-8")
    text = " ".join(Page(page).text.split())
    share = check.routes[0].false_share[4]
    assert check.routes[0].thresholds[4] == pytest.approx(1.0)
    assert f"{100 * share.value:.1f} % ({100 * share.low:.1f} % to {100 * share.high:.1f} %)" in text
    assert "Hold photons out" not in text
    assert "the same by the truth" in text
    farther = dataclasses.replace(check, settings=dataclasses.replace(check.settings, tolerance_nm=80.0))
    comparison = dataclasses.replace(
        comparison, checks=dataclasses.replace(comparison.checks, held_out=farther)
    )
    text = " ".join(
        Page(page_of(comparison, dict.fromkeys(drawings_of(comparison), (b"", b"")))).text.split()
    )
    assert "not within 80 nm of one" in text
    assert "by the truth, not within 50 nm of one" in text
    figures = json.loads((tmp_path / "report" / "scores.json").read_text(), parse_constant=pytest.fail)
    assert figures["checks"]["held_out"] == json.loads(json.dumps(check.as_dict()))
