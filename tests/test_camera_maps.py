"""Cameras whose every pixel has an offset, a read noise and a gain of its own."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from molecules import mean_counts
from scipy.ndimage import median_filter
from scipy.optimize import minimize

from blinkspot.camera import MAPPED, Camera
from blinkspot.camera.maps import CameraMaps, read_maps
from blinkspot.camera_from_movie.estimate import estimate_camera, estimate_offset, estimate_slope, noise_ratio
from blinkspot.camera_from_movie.finding import GivenCamera, find_camera
from blinkspot.denoising import Denoiser, Training, TrainingSettings
from blinkspot.denoising.training.checkpoint import identity_of
from blinkspot.errors import BlinkspotError
from blinkspot.localization import Localizer, LocalizerSettings
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.movies.checks import check_camera
from blinkspot.movies.stack import as_stack, open_stack
from blinkspot.progress import finish


def typical_maps(seed: int = 0, shape: tuple[int, int] = (96, 96)) -> CameraMaps:
    """Maps as real ones are: an offset that varies little, noise of which some pixels have very much."""
    rng = np.random.default_rng(seed)
    variance = 5.0 * np.exp(rng.normal(0.0, 0.2, shape))
    hot = rng.random(shape) < 0.05
    variance[hot] *= rng.uniform(5.0, 100.0, np.count_nonzero(hot))
    return CameraMaps(rng.normal(100.0, 1.5, shape), variance, rng.normal(2.1, 0.1, shape).clip(1.5, 3.0))


def recorded(expected: np.ndarray, maps: CameraMaps, seed: int = 0) -> np.ndarray:
    """What a camera makes of expected electrons (T, Y, X), rounded as cameras do."""
    rng = np.random.default_rng(seed)
    adu = rng.poisson(expected) * maps.adu_per_electron + maps.offset_adu
    adu += rng.normal(0.0, 1.0, expected.shape) * np.sqrt(maps.variance_adu2)
    return np.rint(adu).clip(0).astype(np.uint16)


@st.composite
def any_maps(draw: st.DrawFn) -> CameraMaps:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))

    def values(low: float, high: float) -> np.ndarray:
        return draw(arrays(np.float32, shape, elements=st.floats(low, high, width=32)))

    return CameraMaps(values(0.0, 1000.0), values(0.0, 4096.0), values(0.125, 16.0))


map_cameras = st.builds(Camera, em_gain=st.sampled_from([1.0, 150.0]), maps=any_maps())


@given(camera=map_cameras, n=st.integers(0, 3), seed=st.integers(0, 99))
def test_there_and_back_and_by_float64(camera: Camera, n: int, seed: int) -> None:
    maps = camera.maps
    assert maps is not None
    adu = np.random.default_rng(seed).uniform(0.0, 5000.0, (n, *maps.shape))
    offset, variance, gain = maps.as_array().astype(np.float64)
    excess = 2.0 if camera.em_gain > 1 else 1.0
    electrons = (adu - offset) / gain / camera.em_gain
    counts = electrons / excess + variance / (gain * camera.em_gain * excess) ** 2
    # To float32's precision of the largest numbers on the way.
    near = {"rtol": 0.0, "atol": 1e-6 * (6000.0 / 0.125 + float(np.max(camera.read_counts)))}
    np.testing.assert_allclose(camera.photoelectrons(adu), electrons, **near)
    np.testing.assert_allclose(camera.counts(adu), counts, **near)
    np.testing.assert_allclose(camera.photoelectrons_from_counts(counts), electrons, **near)
    np.testing.assert_allclose(camera.adu(electrons), adu, rtol=1e-5, atol=1e-3)
    read_counts = variance / (gain * camera.em_gain * excess) ** 2
    np.testing.assert_allclose(camera.read_counts, read_counts, rtol=1e-5, atol=1e-30)
    assert camera.counts(adu).dtype == camera.adu(electrons).dtype == np.float32


@given(camera=map_cameras, data=st.data())
def test_counts_of_a_window_are_the_window_of_the_counts(camera: Camera, data: st.DataObject) -> None:
    assert camera.maps is not None
    rows, columns = camera.maps.shape
    height, width = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    top, left = data.draw(st.integers(0, rows - height)), data.draw(st.integers(0, columns - width))
    part = (..., slice(top, top + height), slice(left, left + width))
    adu = np.random.default_rng(0).uniform(0.0, 5000.0, (2, rows, columns))
    window = camera.window(top, left, height, width)
    np.testing.assert_array_equal(window.counts(adu[part]), camera.counts(adu)[part])
    np.testing.assert_array_equal(window.read_counts, np.asarray(camera.read_counts)[part])
    assert (window.em_gain, window.pixel_size_nm) == (camera.em_gain, camera.pixel_size_nm)


def test_a_camera_without_maps_is_its_own_window() -> None:
    camera = Camera(offset_adu=100.0, em_gain=150.0)
    assert camera.window(-5, 3, 10_000, 2) is camera
    assert isinstance(camera.read_counts, float)


@given(
    offset=st.floats(-100.0, 1000.0),
    variance=st.floats(0.0, 1e3),
    gain=st.floats(0.1, 10.0),
    em_gain=st.sampled_from([1.0, 200.0]),
)
def test_even_maps_are_a_camera_without_maps(
    offset: float, variance: float, gain: float, em_gain: float
) -> None:
    maps = CameraMaps(*(np.full((3, 4), value) for value in (offset, variance, gain)))
    plain = Camera(
        offset_adu=offset,
        electrons_per_adu=1 / gain,
        em_gain=em_gain,
        read_noise_electrons=np.sqrt(variance) / gain,
    )
    camera = Camera(em_gain=em_gain, maps=maps)
    adu = np.random.default_rng(0).uniform(0.0, 5000.0, (2, 3, 4))
    np.testing.assert_allclose(camera.counts(adu), plain.counts(adu), rtol=1e-5, atol=0.1)
    for name in MAPPED:
        assert getattr(camera, name) == pytest.approx(getattr(plain, name), rel=1e-6, abs=1e-6)


def test_numbers_beside_maps_are_what_the_maps_amount_to() -> None:
    maps = CameraMaps([[90.0, 110.0]], [[9.0, 16.0]], [[1.0, 3.0]])
    camera = Camera(offset_adu=7.0, electrons_per_adu=7.0, read_noise_electrons=7.0, maps=maps)
    assert camera.offset_adu == 100.0
    assert camera.electrons_per_adu == 0.5
    assert camera.read_noise_electrons == pytest.approx(np.sqrt((9.0 + 16.0 / 9.0) / 2))


# -- equality, provenance


@given(maps=any_maps(), where=st.integers(0, 99), name=st.sampled_from(["offset_adu", "variance_adu2"]))
def test_equal_where_the_values_are(maps: CameraMaps, where: int, name: str) -> None:
    camera = Camera(maps=maps)
    again = Camera(maps=dataclasses.replace(maps, source="another.npy"))
    assert camera == again
    assert hash(camera) == hash(again)
    assert camera.differences(again) == []
    values = getattr(maps, name).copy()
    values.flat[where % values.size] += 1.0
    other = Camera(maps=dataclasses.replace(maps, **{name: values}))
    assert camera != other
    (difference,) = camera.differences(other)
    assert other.maps is not None
    assert maps.digest[:8] in difference
    assert other.maps.digest[:8] in difference


def test_shape_is_part_of_the_digest() -> None:
    flat = CameraMaps(*np.ones((3, 1, 4)))
    assert flat != CameraMaps(*np.ones((3, 2, 2)))
    assert flat != "something else"


def test_differences_are_named() -> None:
    plain, maps = Camera(offset_adu=100.0, em_gain=150.0), typical_maps()
    assert plain.differences(dataclasses.replace(plain, offset_adu=100.9)) == []
    assert plain.differences(dataclasses.replace(plain, offset_adu=90.0, em_gain=100.0)) == [
        "its offset_adu is 100, not 90",
        "its em_gain is 150, not 100",
    ]
    assert plain.differences(Camera(maps=maps)) == ["it has no maps of its pixels"]
    assert Camera(maps=maps).differences(plain) == ["it has maps"]
    assert Camera(maps=maps).differences(Camera(em_gain=2.0, maps=maps)) == ["its em_gain is 1, not 2"]
    # Of the same maps at another level, the level is told, and may differ as that of a camera without maps.
    by_level = [Camera(maps=maps.moved_to(offset)) for offset in (100.0, 100.9, 90.0)]
    assert by_level[0].differences(by_level[1]) == []
    assert by_level[0].differences(by_level[2]) == ["its offset_adu is 100, not 90"]


def test_maps_cannot_be_changed() -> None:
    values = np.ones((3, 4, 4), np.float32)
    maps = CameraMaps(*values)
    digest = maps.digest
    values[:] = 2.0
    assert maps.offset_adu.max() == 1.0
    read_counts = Camera(maps=maps).read_counts
    for array in (maps.offset_adu, maps.variance_adu2, maps.adu_per_electron, read_counts):
        with pytest.raises(ValueError, match="read-only"):
            np.asarray(array)[0, 0] = 5.0
    assert maps.digest == digest


def test_record_says_which_maps() -> None:
    maps = dataclasses.replace(typical_maps(), source="chip.npy")
    record = json.loads(json.dumps(Camera(maps=maps).as_dict()))
    assert record["maps"] == {"file": "chip.npy", "digest": maps.digest, "shape": [96, 96]}
    assert record["offset_adu"] == pytest.approx(100.0, abs=0.1)
    with pytest.raises(BlinkspotError, match="does not hold them"):
        Camera.from_dict(record)
    assert "maps" not in Camera().as_dict()


def test_a_camera_is_the_same_whatever_the_file_of_its_maps_is_called(tmp_path: Path) -> None:
    """A training, a table or a batch goes on with it."""
    camera = Camera(em_gain=2.0, maps=dataclasses.replace(typical_maps(), source="chip.npy"))
    camera.save(tmp_path / "saved.toml")
    again = Camera.load(tmp_path / "saved.toml")
    assert again.as_dict() != camera.as_dict()
    assert json.loads(json.dumps(camera.identity())) == again.identity()
    movie = as_stack(np.random.default_rng(0).poisson(9.0, (6, 96, 96)).astype(np.uint16))
    settings = TrainingSettings()
    assert identity_of(movie, camera, settings, None) == identity_of(movie, again, settings, None)
    others = (Camera(em_gain=3.0, maps=camera.maps), Camera(em_gain=2.0, maps=typical_maps(1)), Camera())
    assert all(other.identity() != camera.identity() for other in others)
    assert Camera().identity() == Camera().as_dict()


# -- maps of a part, transposed, moved


@given(maps=any_maps(), offset=st.floats(-500.0, 500.0))
def test_moved_maps_keep_their_pattern(maps: CameraMaps, offset: float) -> None:
    moved = maps.moved_to(offset)
    assert moved.mean_offset_adu == pytest.approx(offset, abs=1e-3)
    np.testing.assert_allclose(np.ptp(moved.offset_adu - maps.offset_adu), 0.0, atol=1e-3)
    np.testing.assert_array_equal(moved.as_array()[1:], maps.as_array()[1:])
    assert maps.transposed().transposed() == maps
    assert maps.transposed().shape == maps.shape[::-1]


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 94, 5, 5), (0, 0, 97, 5), (3, 3, 0, 5), (9, 9, -3, 4)])
def test_windows_beyond_the_chip_are_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(BlinkspotError, match="not within the camera's maps of 96 x 96 pixels"):
        Camera(maps=typical_maps()).window(*window)


@pytest.mark.parametrize("shape", [(96, 95), (3, 95, 96), (96,), ()])
def test_frames_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    camera = Camera(maps=typical_maps())
    for convert in (camera.counts, camera.adu, camera.photoelectrons_from_counts):
        with pytest.raises(
            BlinkspotError, match=r"maps are of 96 x 96 pixels, but the frames are of .*window"
        ):
            convert(np.ones(shape))


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (0, np.nan, "offset map of chip.npy must hold numbers from -1e.06"),
        (0, np.inf, "offset map"),
        (1, -0.5, "variance map of chip.npy must hold numbers from 0 "),
        (1, np.nan, "variance map"),
        (2, 0.0, r"gain map .* but 1 of its pixels do not \(the first is row 2, column 1: 0\)"),
        (2, -1.0, "gain map"),
        (2, np.inf, "gain map"),
        (2, 1e300, "gain map"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_values_of_no_camera_are_refused(index: int, value: float, words: str) -> None:
    values = np.ones((3, 4, 4))
    values[index, 2, 1] = value
    with pytest.raises(BlinkspotError, match=words):
        CameraMaps(*values, source="chip.npy")


def test_maps_of_several_sizes_are_refused() -> None:
    with pytest.raises(BlinkspotError, match="three pictures of one size"):
        CameraMaps(np.ones((4, 4)), np.ones((4, 4)), np.ones((4, 3)))
    with pytest.raises(BlinkspotError, match="three pictures of one size"):
        CameraMaps(*np.ones((3, 0, 4)))


# -- files


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (np.ones((1, 4, 4)), r"three pictures of one size, not of the shapes \(1, 4, 4\)"),
        (1.0, r"three pictures of one size, not of the shapes \(\)"),
        (np.ones((4, 4), complex), "offset map must be a picture of real numbers"),
        ("chip.npy", "offset map must be a picture of real numbers, not 'chip.npy'"),
        ([[1, 2], [3]], "offset map must be a picture of real numbers"),
        (np.ma.masked_greater(np.ones((4, 4)), 0.5), "16 of its pixels do not"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(offset: object, words: str) -> None:
    other = np.ones(np.shape(offset) if isinstance(offset, (np.ndarray, float)) else (4, 4))
    with pytest.raises(BlinkspotError, match=words):
        CameraMaps(offset, other, other)  # type: ignore[arg-type]


@given(maps=any_maps())
@settings(max_examples=20)
def test_npy_and_tiff_there_and_back(maps: CameraMaps, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("maps")
    maps.save(folder / "maps.npy")
    tifffile.imwrite(folder / "maps.tif", maps.as_array(), photometric="minisblack")
    with tifffile.TiffWriter(folder / "appended.tif") as file:
        for one in maps.as_array():
            file.write(one, contiguous=False)
    for name in ("maps.npy", "maps.tif", "appended.tif"):
        read = read_maps(folder / name)
        assert read == maps
        assert read.source == name
    with pytest.raises(BlinkspotError, match="overwritten"):
        maps.save(folder / "maps.npy")


def test_bad_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "two.npy", np.ones((2, 4, 4)))
    np.save(tmp_path / "flat.npy", np.ones((4, 4)))
    np.save(tmp_path / "complex.npy", np.ones((3, 4, 4), complex))
    np.save(tmp_path / "objects.npy", np.array([None, {}], dtype=object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("offset")
    (tmp_path / "text.tif").write_text("offset")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "maps.csv").write_text("1,2,3")
    tifffile.imwrite(tmp_path / "single.tif", np.ones((4, 4), np.float32))
    cases = {
        "two.npy": r"must be three pictures .* shape \(2, 4, 4\)",
        "flat.npy": r"shape \(4, 4\)",
        "single.tif": r"shape \(4, 4\)",
        "complex.npy": "type complex128",
        "objects.npy": "damaged, or no .npy file",
        "text.npy": "damaged, or no .npy file",
        "text.tif": "damaged, or no .tif file",
        "empty.npy": "damaged, or no .npy file",
        "maps.csv": r"must be a NumPy file \(.npy\) or a TIFF",
        "absent.npy": "cannot be read: No such file",
        "absent.tif": "cannot be read: No such file",
    }
    for name, words in cases.items():
        with pytest.raises(BlinkspotError, match=words):
            read_maps(tmp_path / name)


def test_camera_file_keeps_its_maps_beside_it(tmp_path: Path) -> None:
    camera = Camera(pixel_size_nm=107.0, maps=typical_maps())
    path = tmp_path / "Kamera ü.toml"
    camera.save(path)
    assert (tmp_path / "Kamera ü_maps.npy").is_file()
    assert Camera.load(path) == camera
    # The maps have changed since.
    (tmp_path / "Kamera ü_maps.npy").unlink()
    typical_maps(seed=1).save(tmp_path / "Kamera ü_maps.npy")
    with pytest.raises(BlinkspotError, match=r"not those that Kamera ü\.toml was saved with"):
        Camera.load(path)
    (tmp_path / "Kamera ü_maps.npy").unlink()
    with pytest.raises(BlinkspotError, match="cannot be read: No such file"):
        Camera.load(path)


def test_camera_file_by_hand(tmp_path: Path) -> None:
    maps = typical_maps()
    (tmp_path / "calibration").mkdir()
    maps.save(tmp_path / "calibration" / "chip.npy")
    path = tmp_path / "camera.toml"
    path.write_text('[camera]\npixel_size_nm = 108\nmaps = "calibration/chip.npy"\n')
    assert Camera.load(path) == Camera(pixel_size_nm=108.0, maps=maps)
    path.write_text("[camera]\nmaps = 3\n")
    with pytest.raises(BlinkspotError, match="must name its maps as a text, not 3"):
        Camera.load(path)


def test_nothing_is_left_where_the_maps_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "camera_maps.npy").write_bytes(b"")
    with pytest.raises(BlinkspotError, match=r"camera_maps\.npy exists already"):
        Camera(maps=typical_maps()).save(tmp_path / "camera.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["camera_maps.npy"]


# -- noise


@pytest.fixture(scope="module")
def blinking() -> tuple[np.ndarray, CameraMaps]:
    """A movie of 80 frames through an sCMOS camera: a background of 6 electrons, and molecules."""
    maps = typical_maps()
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :96]
    expected = np.full((80, 96, 96), 6.0)
    for frame in expected:
        for centre_y, centre_x in rng.uniform(0, 96, (6, 2)):
            spot = np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * 1.2**2))
            frame += rng.uniform(100, 400) / (2 * np.pi * 1.2**2) * spot
    return recorded(expected, maps, seed=4), maps


@pytest.mark.parametrize("level", [0.5, 5.0, 50.0])
def test_variance_of_counts_is_their_mean_in_every_pixel(level: float) -> None:
    """Pixels are put together by their read noise; without maps the noisy ones would be far off."""
    maps = typical_maps()
    camera = Camera(maps=maps)
    adu = recorded(np.full((400, *maps.shape), level), maps)
    counts = camera.counts(adu).astype(np.float64)
    mean, variance = counts.mean(axis=0), counts.var(axis=0, ddof=1)
    expected = level + np.asarray(camera.read_counts)
    np.testing.assert_allclose(mean.mean(), expected.mean(), rtol=0.01)
    edges = np.quantile(maps.variance_adu2, [0.0, 0.5, 0.95, 1.0])
    for low, high in itertools.pairwise(edges):
        chosen = (maps.variance_adu2 >= low) & (maps.variance_adu2 < high)
        # Rounding to whole ADU adds its twelfth.
        rounding = np.mean(1.0 / (12.0 * maps.adu_per_electron[chosen] ** 2))
        assert variance[chosen].mean() - rounding == pytest.approx(expected[chosen].mean(), rel=0.02)
    spread = np.mean((variance / expected - 1.0) ** 2)
    assert spread < 1.5 * np.mean((2.0 + 1.0 / expected) / 399.0)


def test_noise_ratio_is_one_with_the_right_maps(blinking: tuple[np.ndarray, CameraMaps]) -> None:
    movie, maps = as_stack(blinking[0]), blinking[1]
    assert noise_ratio(movie, Camera(maps=maps)) == pytest.approx(1.0, abs=0.03)
    # As the hot pixels are where the maps do not say so.
    assert noise_ratio(movie, Camera(maps=maps.transposed())) > 1.2
    assert noise_ratio(movie, Camera(maps=maps.moved_to(1e4))) == np.inf
    with pytest.raises(BlinkspotError, match="maps are of 95 x 96 pixels"):
        noise_ratio(movie, Camera(maps=maps.window(0, 0, 95, 96)))


@pytest.mark.parametrize("seed", range(3))
def test_offset_that_has_moved_is_found(seed: int) -> None:
    maps = typical_maps(seed)
    movie = as_stack(recorded(np.full((60, 96, 96), 6.0), maps, seed))
    estimate = estimate_offset(movie, Camera(maps=maps.moved_to(90.0)))
    assert estimate.offset_adu == pytest.approx(maps.mean_offset_adu, abs=0.5)
    # Rounding adds its twelfth to the variance and so takes a part of it from the offset.
    crossing = maps.mean_offset_adu - 1.0 / 12.0 / 2.1
    assert abs(estimate.offset_adu - crossing) < 4 * estimate.offset_error_adu
    assert 0.01 < estimate.offset_error_adu < 0.3
    assert estimate.adu_per_count == pytest.approx(2.1, abs=0.01)
    moved = Camera(maps=maps.moved_to(estimate.offset_adu))
    assert noise_ratio(movie, moved) == pytest.approx(1.0, abs=0.005)
    assert " ADU per count, offset " in estimate.description


def test_offset_of_a_camera_without_maps_is_found() -> None:
    rng = np.random.default_rng(0)
    adu = 2.0 * rng.poisson(10.0, (60, 64, 64)) + rng.normal(100.0, 3.0, (60, 64, 64))
    camera = Camera(electrons_per_adu=0.5, read_noise_electrons=1.5)
    estimate = estimate_offset(as_stack(adu.astype(np.float32)), camera)
    assert estimate.offset_adu == pytest.approx(100.0, abs=4 * estimate.offset_error_adu)
    # What is taken for known here is found by the other estimate.
    slope = estimate_slope(as_stack(adu.astype(np.float32)), 100.0 - 9.0 / 2.0)
    assert slope.adu_per_count == pytest.approx(2.0, rel=0.03)


# -- maps that are not those of the movie


def test_transposed_maps_are_told(blinking: tuple[np.ndarray, CameraMaps]) -> None:
    movie, maps = as_stack(blinking[0]), blinking[1]
    check_camera(movie, Camera(maps=maps))
    with pytest.raises(BlinkspotError, match="only with rows and columns exchanged: transpose them"):
        check_camera(movie, Camera(maps=maps.transposed()))
    # Of maps that fit neither way nothing is said: a dim movie may not show its camera.
    check_camera(movie, Camera(maps=typical_maps(seed=9)))


def test_what_is_stated_goes_before_the_maps_of_another_camera(
    blinking: tuple[np.ndarray, CameraMaps],
) -> None:
    movie, like = as_stack(blinking[0]), Camera(maps=blinking[1])

    def found(**stated: float) -> Camera:
        return find_camera(GivenCamera(stated), movie, say=str, named=str, like=like).camera

    assert found().maps == found(offset_adu=like.offset_adu, em_gain=1.0).maps == like.maps
    for stated in ({"offset_adu": 80.0}, {"electrons_per_adu": 0.9}):
        camera = found(**stated)
        assert camera == dataclasses.replace(like, maps=None, **stated)
        assert like.differences(camera) == ["it has maps"]


def test_size_of_maps_is_checked(blinking: tuple[np.ndarray, CameraMaps]) -> None:
    maps = blinking[1]
    movie = as_stack(blinking[0][:, 8:40, 16:64])
    check_camera(movie, Camera(maps=maps.window(8, 16, 32, 48)))
    with pytest.raises(BlinkspotError, match="96 x 96 pixels and the frames of the movie of 32 x 48: give"):
        check_camera(movie, Camera(maps=maps))
    with pytest.raises(BlinkspotError, match="only with rows and columns exchanged"):
        check_camera(movie, Camera(maps=maps.window(8, 16, 32, 48).transposed()))


def test_offset_of_maps_above_the_movie_is_refused(blinking: tuple[np.ndarray, CameraMaps]) -> None:
    with pytest.raises(BlinkspotError, match=r"With an offset of 200 ADU, .* its median is 11"):
        check_camera(as_stack(blinking[0]), Camera(maps=blinking[1].moved_to(200.0)))


# -- localization


def test_fit_with_known_noise_finds_the_optimum_of_scipy() -> None:
    rng = np.random.default_rng(5)
    true = np.array([3.2, 2.8, 1.2, 300.0, 4.0])
    for _ in range(5):
        extra = rng.exponential(5.0, (7, 7))
        extra[rng.integers(7), rng.integers(7)] = 200.0
        window = rng.poisson(mean_counts(true) + extra).astype(np.float32)
        fit = fit_molecules(
            window, np.array([3]), np.array([3]), start=window - np.float32(extra), extra=np.float32(extra)
        )

        def loss(scaled: np.ndarray, window: np.ndarray = window, extra: np.ndarray = extra) -> float:
            mean = mean_counts(scaled * true) + np.float32(extra)
            return float((mean - window * np.log(mean)).sum())

        best = minimize(
            loss, np.ones(5), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 9000}
        )
        found = np.array([fit.x[0], fit.y[0], fit.sigma[0], fit.amplitude[0], fit.background[0]])
        np.testing.assert_allclose(found, best.x * true, rtol=1e-3)


@pytest.mark.parametrize("fit", ["mle", "wlsq"])
def test_molecules_beside_hot_pixels_are_located_as_well_as_promised(fit: str) -> None:
    """With maps the errors are those predicted (for mle); with numbers alone they are larger."""
    rng = np.random.default_rng(6)
    maps = typical_maps(seed=2, shape=(64, 64))
    hot = maps.variance_adu2 > 20.0
    assert 0.03 < hot.mean() < 0.07
    y, x = np.mgrid[:64, :64]
    centres = np.stack(np.meshgrid(np.arange(6.0, 60.0, 10.0), np.arange(6.0, 60.0, 10.0)), -1).reshape(-1, 2)
    expected = np.full((40, 64, 64), 3.0)
    truth = centres + rng.uniform(-0.5, 0.5, (40, len(centres), 2))
    for frame, places in zip(expected, truth, strict=True):
        for centre_x, centre_y in places:
            frame += (
                300.0
                / (2 * np.pi * 1.3**2)
                * np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / (2 * 1.3**2))
            )
    movie = recorded(expected, maps, seed=7)
    errors = {}
    for name, camera in (
        ("maps", Camera(maps=maps)),
        ("numbers", dataclasses.replace(Camera(maps=maps), maps=None)),
    ):
        table = finish(Localizer(camera, LocalizerSettings(threshold=1.5, fit=fit)).localize(movie))
        found = np.stack([table.column("x_nm"), table.column("y_nm")], -1) / 100.0 - 0.5
        distances = np.linalg.norm(found[:, None] - truth[table.column("frame")], axis=2)
        paired = distances.min(axis=1) < 1.0
        nearest = distances.argmin(axis=1)
        error = (found - truth[table.column("frame"), nearest])[paired]
        errors[name] = np.sqrt(np.mean(error**2))
        if name == "maps":
            assert np.count_nonzero(paired) > 0.99 * truth.shape[0] * truth.shape[1]
        if name == "maps" and fit == "mle":
            promised = np.sqrt(np.mean(table.column("uncertainty_nm")[paired] ** 2)) / 100.0
            assert errors["maps"] == pytest.approx(promised, rel=0.05)
            assert np.median(table.column("photons")[paired]) == pytest.approx(300.0, rel=0.02)
            assert np.median(table.column("background_photons")[paired]) == pytest.approx(3.0, abs=0.15)
    assert errors["maps"] < 0.93 * errors["numbers"]


# -- the real example


@pytest.fixture(scope="module")
def real(shared_data: Path) -> tuple[np.ndarray, CameraMaps]:
    """Frames (11, 256, 256), and the maps turned as the frames are."""
    stack = open_stack(shared_data / "real" / "scmos_storm_11x256x256.tif")
    maps = read_maps(shared_data / "real" / "scmos_calibration_offset_variance_gain.npy")
    return stack.frames(0, 11), maps.transposed()


def test_real_maps_are_found_to_be_transposed(real: tuple[np.ndarray, CameraMaps]) -> None:
    frames, maps = real
    check_camera(as_stack(frames), Camera(maps=maps))
    with pytest.raises(BlinkspotError, match="only with rows and columns exchanged"):
        check_camera(as_stack(frames), Camera(maps=maps.transposed()))


def test_real_fixed_pattern_goes(real: tuple[np.ndarray, CameraMaps]) -> None:
    """How much of the offset map's fine pattern is in the mean frame: all of it before, none after."""
    frames, maps = real

    def share(picture: np.ndarray) -> float:
        mean, pattern = (image - median_filter(image, 5) for image in (picture, maps.offset_adu))
        quiet = np.abs(mean) < np.quantile(np.abs(mean), 0.95)
        quiet &= np.abs(pattern) < np.quantile(np.abs(pattern), 0.99)
        return float(np.polyfit(pattern[quiet], mean[quiet], 1)[0])

    camera = Camera(maps=maps.moved_to(100.0))
    assert share(frames.mean(axis=0)) == pytest.approx(1.0, abs=0.4)
    assert abs(share(camera.photoelectrons(frames).mean(axis=0) / camera.electrons_per_adu)) < 0.2


def test_real_noise_is_that_of_the_maps(real: tuple[np.ndarray, CameraMaps]) -> None:
    """The baseline has moved by 10 ADU since the calibration; the movie tells it twice alike."""
    frames, maps = real
    stack = as_stack(frames)
    line = estimate_camera(stack)
    offset = line.offset_adu + float(maps.variance_adu2.mean()) / line.adu_per_count
    estimate = estimate_offset(stack, Camera(maps=maps))
    assert estimate.offset_adu == pytest.approx(offset, abs=3 * line.offset_error_adu)
    assert 99.0 < estimate.offset_adu < 102.0
    camera = Camera(maps=maps.moved_to(offset))
    typical = Camera(
        offset_adu=offset,
        electrons_per_adu=1 / float(np.median(maps.adu_per_electron)),
        read_noise_electrons=float(np.median(np.sqrt(maps.variance_adu2) / maps.adu_per_electron)),
    )
    assert abs(noise_ratio(stack, camera) - 1.0) < 0.05
    assert abs(noise_ratio(stack, typical) - 1.0) > 0.2
    # Noise pixel by pixel, in dark places: differences between frames, whose level is the same.
    counts = camera.counts(frames)
    noise = np.median(np.abs(np.diff(counts, axis=0)), axis=0) ** 2
    for low, high in [(0, 10), (10, 100), (100, 4000)]:
        chosen = (maps.variance_adu2 >= low) & (maps.variance_adu2 < high)
        predicted = np.median(counts, axis=0)[chosen]
        # The median of |difference| of two Gaussians is 0.6745 sqrt(2) sigma.
        ratio = np.median(noise[chosen] / predicted) / (2 * 0.6745**2)
        assert 0.75 < ratio < 1.25


# -- models


def test_model_file_holds_the_maps(tmp_path: Path) -> None:
    """A model denoises on its own; what its file says of the maps is checked."""
    maps = typical_maps(shape=(32, 40))
    movie = as_stack(recorded(np.full((12, 32, 40), 6.0), maps))
    training = Training(movie, Camera(maps=maps), TrainingSettings(epochs=1, channels=4, context_frames=0))
    finish(training.run())
    model = training.best
    assert model is not None
    model.save(tmp_path / "a.blinkspot")
    loaded = Denoiser.load(tmp_path / "a.blinkspot")
    assert loaded.camera == Camera(maps=maps)
    np.testing.assert_array_equal(loaded.denoise_frame(movie, 3), model.denoise_frame(movie, 3))
    loaded.check_matches(movie, Camera(maps=maps))
    with pytest.raises(BlinkspotError, match=f"its maps are unnamed .{maps.digest[:8]}., not unnamed"):
        loaded.check_matches(movie, Camera(maps=typical_maps(seed=5, shape=(32, 40))))
    with pytest.raises(BlinkspotError, match="it has maps"):
        loaded.check_matches(movie, dataclasses.replace(Camera(maps=maps), maps=None))

    content = (tmp_path / "a.blinkspot").read_bytes()
    for number, (old, new) in enumerate([(maps.digest, "0" * 64), ("camera.maps", "camera.naps")]):
        assert content.count(old.encode()) >= 1
        (tmp_path / f"{number}").write_bytes(content.replace(old.encode(), new.encode()))
        with pytest.raises(BlinkspotError, match="is damaged"):
            Denoiser.load(tmp_path / f"{number}")
