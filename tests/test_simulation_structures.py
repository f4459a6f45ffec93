"""Structures have the geometry that they state; masks are read from files."""

import math

import imagecodecs
import numpy as np
import pytest
import tifffile
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import kstest, norm, poisson

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.simulation import (
    NAMED_STRUCTURES,
    Cell,
    Clusters,
    Field,
    Filaments,
    GaussianProfile,
    Grids,
    Rings,
    SmoothField,
    Tubes,
    read_mask,
)

FIELD = Field((100, 140), 100.0)


def drawn(structure, number=20_000, field=FIELD):
    return structure.places_in(field).draw(number, np.random.default_rng(7))


def test_a_structure_that_misses_the_field_is_refused():
    with pytest.raises(BlinkspotError, match="No part of the structure lies in the field"):
        Rings(diameter_nm=5000.0).places_in(Field((8, 8), 100.0))


@pytest.mark.parametrize("name", NAMED_STRUCTURES)
@pytest.mark.parametrize("shape_px", [(8, 8), (30, 9)])
def test_structures_lie_within_the_field(name, shape_px):
    field = Field(shape_px, 100.0)
    for seed in range(10):
        structure = NAMED_STRUCTURES[name](seed=seed)
        for places_nm in (
            drawn(structure, 50, field),
            structure.places_in(field).sites(50, np.random.default_rng(1)),
        ):
            assert places_nm.shape == (50, 2)
            assert (places_nm >= 0).all()
            assert (places_nm <= np.array(field.extent_nm[::-1])).all()


def test_rings_are_round_and_evenly_set():
    (height_nm, width_nm), radius_nm = FIELD.extent_nm, 400.0
    places_nm = drawn(Rings(seed=3, per_um2=1e-6, diameter_nm=2 * radius_nm))  # one
    assert (height_nm, width_nm) == (10_000, 14_000)
    # The circle through three of its points.
    first, second, third = places_nm[0], places_nm[1], places_nm[2]
    matrix = 2 * np.array([second - first, third - first])
    centre = np.linalg.solve(matrix, [second @ second - first @ first, third @ third - first @ first])
    x, y = (places_nm - centre).T
    # Chords of 60 segments lie at most this far inside.
    assert np.hypot(x, y) == pytest.approx(radius_nm, abs=2 * radius_nm * (1 - math.cos(math.pi / 60)))
    assert kstest(np.arctan2(y, x) % (2 * math.pi), "uniform", (0, 2 * math.pi)).pvalue > 1e-3


def test_a_grid_has_its_rows_and_columns():
    sites_nm = Grids(seed=1, per_um2=1e-6, rows=3, columns=4, spacing_nm=20.0).places_in(FIELD)
    places_nm = sites_nm.sites(12, np.random.default_rng(0))
    row, column = np.divmod(np.arange(12), 4)
    np.testing.assert_allclose(
        np.sort(pdist(places_nm)), np.sort(pdist(20.0 * np.column_stack([row, column])))
    )
    # Molecules share the sites evenly, and draws hit each alike.
    _, counts = np.unique(sites_nm.sites(30, np.random.default_rng(0)), axis=0, return_counts=True)
    assert sorted(counts) == [2] * 6 + [3] * 6
    _, counts = np.unique(sites_nm.draw(12_000, np.random.default_rng(0)), axis=0, return_counts=True)
    assert len(counts) == 12
    assert np.abs(counts - 1000).max() < 4 * math.sqrt(1000)


def test_there_are_as_many_grids_as_stated():
    sites = Grids(seed=4, per_um2=0.7, rows=1, columns=1).places_in(FIELD)
    number = len(np.unique(sites.draw(5000, np.random.default_rng(0)), axis=0))
    assert 1e-3 < poisson.cdf(number, 0.7 * FIELD.area_um2) < 1 - 1e-3


def test_clusters_are_gaussian():
    places_nm = drawn(Clusters(seed=9, per_um2=1e-6, sigma_nm=60.0))
    for axis in places_nm.T:
        assert kstest((axis - axis.mean()) / 60.0, norm.cdf).pvalue > 1e-3


def test_tubes_are_hollow_and_of_their_diameter():
    structure = Tubes(seed=2, per_um2=1e-6, persistence_um=1e9, diameter_nm=80.0)  # one, straight
    places_nm = drawn(structure)
    centred = places_nm - places_nm.mean(axis=0)
    _, _, (_, across) = np.linalg.svd(centred, full_matrices=False)
    aside = centred @ across
    aside -= (aside.max() + aside.min()) / 2
    # A wall that is seen from the side: the arcsine law.
    assert kstest(aside / 40.0, lambda u: 0.5 + np.arcsin(np.clip(u, -1, 1)) / math.pi).pvalue > 1e-3


def test_filaments_wander_as_a_worm_like_chain():
    field = Field((4000, 4000), 100.0)
    structure = Filaments(seed=5, per_um2=0.01, length_um=8.0, persistence_um=4.0)
    segments = structure.places_in(field)._segments
    starts, ways = segments[:, :2], segments[:, 2:]
    following = np.abs(starts[1:] - (starts[:-1] + ways[:-1])).max(axis=1) < 1e-6
    run = 40  # segments of 50 nm: 2 um
    whole = np.lib.stride_tricks.sliding_window_view(following, run).all(axis=1)
    cosine = (ways[:-run] * ways[run:]).sum(axis=1)[whole] / 50.0**2
    # In the plane the mean cosine falls as exp(-length / (2 persistence lengths)).
    filaments = 2 * 0.01 * field.area_um2
    assert cosine.mean() == pytest.approx(math.exp(-2.0 / 8.0), abs=4.5 * cosine.std() / math.sqrt(filaments))
    assert filaments > 1000


def test_molecules_on_filaments_are_spread_by_length():
    places_nm = drawn(Filaments(seed=1, per_um2=1e-6, persistence_um=1e9, length_um=4.0))
    centred = places_nm - places_nm.mean(axis=0)
    _, _, (along, _) = np.linalg.svd(centred, full_matrices=False)
    along = centred @ along
    length = np.ptp(along)
    assert kstest((along - along.min()) / length, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        (Tubes, {"diameter_nm": 0.0}, "tubes' diameter_nm must be above 0"),
        (Rings, {"per_um2": -1.0}, "rings' per_um2"),
        (Grids, {"spacing_nm": math.nan}, "grids' spacing_nm"),
        (Clusters, {"seed": -1}, "clusters' seed"),
        (Rings, {"seed": "a"}, "rings' seed must be a whole number, not 'a'"),
        (Tubes, {"length_um": None}, "tubes' length_um must be a number, not None"),
        (Grids, {"rows": 1.5}, "grids' rows must be a whole number, not 1.5"),
        (Cell, {"roughness": 0.5}, "cell's roughness must lie between 0 and 0.3, not 0.5"),
        (SmoothField, {"contrast": "1"}, "smooth field's contrast must be a number, not '1'"),
        (SmoothField, {"correlation_um": 1e300}, "smooth field's correlation_um must be from 0.001"),
        (GaussianProfile, {"fwhm_um": 1e-300}, "Gaussian profile's fwhm_um must be from 0.001"),
        (GaussianProfile, {"fwhm_um": 1.0, "centre_um": (math.nan, 1.0)}, "centre_um must be two numbers"),
        (GaussianProfile, {"fwhm_um": 1.0, "centre_um": (1.0,)}, "centre_um must be two numbers"),
    ],
)
def test_structures_out_of_range_are_refused(kind, settings, words):
    with pytest.raises(BlinkspotError, match=words):
        kind(**settings)


@pytest.mark.parametrize(
    ("structure", "words"),
    [
        (Rings(per_um2=1e4), "1.4e\\+06 times in the field, of at most 100,000: choose a lower per_um2"),
        (Grids(rows=10_000, columns=10_000), "sites, of at most 20,000,000: choose smaller grids"),
        (Tubes(length_um=1e9), "segments, of at most 20,000,000: choose shorter tubes"),
        (Grids(spacing_nm=1e5), "No part of the structure lies in the field"),
    ],
)
def test_structures_that_a_field_cannot_hold_are_refused(structure, words):
    with pytest.raises(BlinkspotError, match=words):
        structure.places_in(FIELD)


def test_sites_of_grids_larger_than_the_field_lie_in_it():
    places_nm = drawn(Grids(rows=50, columns=50, spacing_nm=400.0))
    assert FIELD.contains(*places_nm.T).all()


@pytest.mark.parametrize("correlation_um", [1.5, 3.0, 100.0, 1e6])
def test_a_smooth_field_is_smooth_however_small_it_is(correlation_um):
    picture = SmoothField(correlation_um=correlation_um).on_pixels(Field((32, 32), 100.0))
    assert np.ptp(picture) == pytest.approx(0.8)
    # A single wave over the field rises by a tenth of its range in a pixel.
    assert max(np.abs(np.diff(picture, axis=axis)).max() for axis in (0, 1)) < 0.1 * np.ptp(picture)


def test_two_rings_of_another_seed_lie_elsewhere():
    one, other = drawn(Rings(seed=1), 500), drawn(Rings(seed=2), 500)
    assert np.median(cKDTree(one).query(other)[0]) > 50.0


# -- files


GREY = (np.arange(48).reshape(6, 8) * 5).astype(np.uint8)


def test_masks_are_read_from_pictures(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    colours = np.repeat(GREY[:, :, np.newaxis], 3, axis=2)
    clear = np.concatenate([colours, np.full((6, 8, 1), 77, np.uint8)], axis=2)
    pictures = {"g.png": GREY, "d.png": deep, "c.png": colours, "a.png": clear, "b.bmp": colours}
    for name, picture in pictures.items():
        imagecodecs.imwrite(tmp_path / name, picture)
    tifffile.imwrite(tmp_path / "f.tif", GREY.astype(np.float32) / 7)
    for name in (*pictures, "f.tif"):
        mask = read_mask(tmp_path / name)
        np.testing.assert_allclose(mask.values, GREY / 235.0, rtol=1e-6, err_msg=name)
        assert mask.source == name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing.png", None, "cannot be read: No such file"),
        ("words.png", b"not a picture", "it is damaged, or no .png file"),
        ("words.tif", b"not a picture", "it is damaged, or no .tif file"),
        ("mask.csv", b"1,2", "ends in .tif"),
    ],
)
def test_files_that_are_no_masks_are_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BlinkspotError, match=words):
        read_mask(tmp_path / name)


def test_a_stack_is_no_mask(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.ones((5, 6, 7), np.uint8), photometric="minisblack")
    with pytest.raises(BlinkspotError, match="one grey picture"):
        read_mask(tmp_path / "stack.tif")
