"""The report's folder: whole, self-contained, and saying what the comparison says."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import PRESETS, compare, report, simulate, verdict, write_report
from blinkspot.localization import read_table
from blinkspot.progress import finish
from blinkspot.stack import Stack

SETTINGS = dataclasses.replace(PRESETS["low-light"], frames=90, size_px=(32, 40), density_per_um2=0.2, seed=5)
EVERYWHERE = {
    "index.html", "scores.json", "frame.png",
    *(f"{route}{suffix}" for route in ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
      for suffix in (".csv", ".provenance.json")),
    *(f"reconstruction_{route}{suffix}" for route in ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
      for suffix in (".png", ".tif")),
}  # fmt: skip
VOID = {"meta", "img", "source", "br", "link"}


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
    assert write_report(with_truth, folder) == folder / "index.html"
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
    assert page.alts == 3


def test_the_page_needs_nothing_else(folder):
    html = (folder / "index.html").read_text(encoding="utf-8")
    sources = Page(html).sources
    assert len(sources) == 6  # three pictures, for light and for dark
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"https?://|@import|url\(|<script", html)


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
    page = Page(write_report(without_truth, tmp_path / "report").read_text(encoding="utf-8"))
    assert {path.name for path in (tmp_path / "report").iterdir()} == EVERYWHERE | {"counts.png"}
    assert verdict(without_truth) in page.text
    for word in ("Best F1", "precision", "recall", "Jaccard", "Denoising raised"):
        assert word not in page.text


def test_a_report_of_a_movie_in_which_nothing_is_found(tmp_path):
    flat = np.full((12, 24, 24), 157.0, np.float32)
    comparison = finish(compare(flat, flat, SETTINGS.camera))
    page = write_report(comparison, tmp_path / "report").read_text(encoding="utf-8")
    assert "0 localizations" in Page(page).text
    json.loads((tmp_path / "report" / "scores.json").read_text(), parse_constant=pytest.fail)


def test_an_empty_folder_will_do_and_a_full_one_not(with_truth, tmp_path):
    (tmp_path / "empty").mkdir()
    write_report(with_truth, tmp_path / "empty")
    with pytest.raises(BlinkspotError, match="empty"):
        write_report(with_truth, tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_report_that_fails_leaves_nothing(with_truth, tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "save_picture", fail)
    with pytest.raises(BlinkspotError, match="No space left"):
        write_report(with_truth, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []
