"""Zarr stores of other programs: one grey movie is read by its named axes; all else is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack, open_stack

SHAPE = (7, 40, 48)
MOVIE = np.random.default_rng(1).integers(0, 120, SHAPE).astype(np.uint16)


def assert_holds(stack: Stack, expected: np.ndarray) -> None:
    assert stack.shape == expected.shape
    assert stack.dtype == expected.dtype.newbyteorder("=")
    assert stack.dtype.isnative
    np.testing.assert_array_equal(stack.frames(0, stack.n_frames), expected)
    np.testing.assert_array_equal(stack.frames(2, 5), expected[2:5])
    np.testing.assert_array_equal(stack.selected([4, 0, 4]), expected[[4, 0, 4]])
    np.testing.assert_array_equal(np.asarray(stack.as_dask()), expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 40, 48)},
        {"chunks": (3, 16, 48)},
        {"chunks": (7, 17, 13)},
        {"chunks": (2, 40, 48), "compressors": None},
        {"chunks": (2, 40, 48), "fill_value": 7},
    ],
    ids=str,
)
def test_arrays(tmp_path: Path, zarr_format: int, options: dict[str, Any]) -> None:
    path = tmp_path / "movie.zarr"
    zarr.create_array(path, data=MOVIE, zarr_format=zarr_format, **options)
    stack = open_stack(path)
    assert_holds(stack, MOVIE)
    assert (stack.axes_guessed, stack.camera_hints, stack.metadata) == (True, {}, {})


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "uint32", "float32", ">f4", "float64", "float16"])
def test_pixel_types(tmp_path: Path, zarr_format: int, dtype: str) -> None:
    path = tmp_path / "movie"  # known for a zarr store by what is in it
    zarr.create_array(path, data=MOVIE.astype(dtype), chunks=(2, 40, 48), zarr_format=zarr_format)
    assert_holds(open_stack(path), MOVIE.astype(dtype))


def test_shards(tmp_path: Path) -> None:
    path = tmp_path / "movie.zarr"
    zarr.create_array(path, data=MOVIE[:6], chunks=(1, 40, 48), shards=(3, 40, 48))
    assert_holds(open_stack(path), MOVIE[:6])


def test_written_by_dask(tmp_path: Path) -> None:
    dask.array.from_array(MOVIE, chunks=(2, 40, 48)).to_zarr(tmp_path / "movie.zarr")
    assert_holds(open_stack(tmp_path / "movie.zarr"), MOVIE)


def test_chunks_of_many_frames_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "movie.zarr"
    zarr.create_array(path, data=MOVIE, chunks=(4, 40, 48))
    stack = open_stack(path)
    read = []
    getitem = zarr.Array.__getitem__
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda self, key: read.append(key) or getitem(self, key))
    for index in range(7):
        np.testing.assert_array_equal(stack.frame(index), MOVIE[index])
    assert len(read) == 2


# -- axes


@given(order=st.permutations(["t", "c", "z", "y", "x"]), dropped=st.sets(st.sampled_from(["c", "z"])))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("way", ["zarr 3", "xarray", "OME-Zarr 0.3", "OME-Zarr 0.4"])
def test_named_axes_may_lie_in_any_order(way: str, order: list[str], dropped: set[str]) -> None:
    """Movie [t, y, x] is what is read, whatever the order of the axes in the store, by whichever names."""
    names = [name for name in order if name not in dropped]
    short = [axis for axis, name in enumerate(names) if name in "cz"]
    three = np.transpose(MOVIE, ["tyx".index(name) for name in names if name in "tyx"])
    stored = np.expand_dims(three, short)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.zarr"
        if way == "zarr 3":
            zarr.create_array(path, data=stored, dimension_names=names)
        elif way == "xarray":
            array = zarr.create_array(path, data=stored, zarr_format=2)
            array.attrs["_ARRAY_DIMENSIONS"] = names
        else:
            axes = names if way.endswith("0.3") else [{"name": name} for name in names]
            image = {"axes": axes, "datasets": [{"path": "full"}]}
            group = zarr.create_group(path, zarr_format=2, attributes={"multiscales": [image]})
            group.create_array("full", data=stored)
        stack = open_stack(path)
        assert not stack.axes_guessed
        np.testing.assert_array_equal(stack.frames(0, 7), MOVIE)
        np.testing.assert_array_equal(stack.frames(3, 5), MOVIE[3:5])


@pytest.mark.parametrize(
    ("names", "guessed"),
    [
        (["t", "y", "x"], False),
        (["T", "Y", "X"], False),
        (["time", "y", "x"], False),
        (["frame", "row", "column"], False),
        (["z", "y", "x"], True),
        (["c", "y", "x"], True),
        (["dim_0", "dim_1", "dim_2"], True),
        ([None, "y", "x"], True),
        ([None, None, None], True),
        (None, True),
    ],
)
def test_one_long_axis_is_time(tmp_path: Path, names: list[str] | None, guessed: bool) -> None:
    zarr.create_array(tmp_path / "movie.zarr", data=MOVIE, dimension_names=names)
    stack = open_stack(tmp_path / "movie.zarr")
    assert_holds(stack, MOVIE)
    assert stack.axes_guessed is guessed


# -- OME-Zarr


def axis(name: str, unit: str | None = None) -> dict[str, str]:
    kind = {"t": "time", "c": "channel"}.get(name, "space")
    return {"name": name, "type": kind} | ({} if unit is None else {"unit": unit})


def scaled(*scale: float) -> list[dict[str, Any]]:
    return [{"type": "scale", "scale": list(scale)}]


def write_image(path: Path, image: dict[str, Any], version: str = "0.5", levels: int = 2) -> Path:
    """Write an image as the version of OME-Zarr lays it out: 5-D, with a coarser level that is not read."""
    described = [{"version": version, **image}]
    since_0_5 = version >= "0.5"
    group = zarr.create_group(
        path,
        zarr_format=3 if since_0_5 else 2,
        attributes={"ome": {"version": version, "multiscales": described}}
        if since_0_5
        else {"multiscales": described},
    )
    names = [str(one["name"]) for one in image["axes"]] if since_0_5 else None
    for level in range(levels):
        pixels = MOVIE[:, None, None, :: 2**level, :: 2**level]
        group.create_array(
            str(level), data=pixels, chunks=(1, 1, 1, 16, 16), **({"dimension_names": names} if names else {})
        )
    return path


def datasets(*transformations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"path": str(number), "coordinateTransformations": one} for number, one in enumerate(transformations)
    ]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("unit", "size", "expected"),
    [
        ("micrometer", 0.1067, 106.7),
        ("nanometer", 106.7, 106.7),
        ("millimeter", 1.067e-4, 106.7),
        (None, 0.1067, None),
        ("foot", 0.1067, None),
        ("micrometer", 1.0, None),  # a default
    ],
)
def test_images(tmp_path: Path, version: str, unit: str | None, size: float, expected: float | None) -> None:
    image = {
        "axes": [axis("t", "second"), axis("c"), axis("z", unit), axis("y", unit), axis("x", unit)],
        "datasets": datasets(scaled(0.05, 1, 1, size, size), scaled(0.05, 1, 1, 2 * size, 2 * size)),
    }
    stack = open_stack(write_image(tmp_path / "movie.ome.zarr", image, version))
    assert_holds(stack, MOVIE)
    assert not stack.axes_guessed
    assert stack.camera_hints == ({} if expected is None else {"pixel_size_nm": pytest.approx(expected)})


def test_scale_common_to_all_levels_and_translation(tmp_path: Path) -> None:
    """The image's own transformation comes on top of the level's."""
    um = "micrometer"
    image = {
        "axes": [axis("t"), axis("c"), axis("z", um), axis("y", um), axis("x", um)],
        "datasets": datasets(
            [*scaled(1, 1, 1, 2, 2), {"type": "translation", "translation": [0, 0, 0, 5, 5]}],
            scaled(1, 1, 1, 4, 4),
        ),
        "coordinateTransformations": scaled(0.1, 1, 1, 0.08, 0.08),
    }
    stack = open_stack(write_image(tmp_path / "movie.zarr", image))
    assert stack.camera_hints == {"pixel_size_nm": pytest.approx(160.0)}


def test_time_is_known_by_its_type(tmp_path: Path) -> None:
    axes = [{"name": "burst", "type": "time"}, axis("c"), axis("z"), axis("y"), axis("x")]
    image = {"axes": axes, "datasets": datasets(scaled(1, 1, 1, 1, 1), scaled(1, 1, 1, 2, 2))}
    stack = open_stack(write_image(tmp_path / "movie.zarr", image))
    assert_holds(stack, MOVIE)
    assert not stack.axes_guessed


def test_pixels_that_are_not_square_give_no_size(tmp_path: Path) -> None:
    um = "micrometer"
    image = {
        "axes": [axis("t"), axis("c"), axis("z", um), axis("y", um), axis("x", um)],
        "datasets": datasets(scaled(1, 1, 1, 0.1, 0.2), scaled(1, 1, 1, 0.2, 0.4)),
    }
    assert open_stack(write_image(tmp_path / "movie.zarr", image)).camera_hints == {}


@pytest.mark.parametrize(
    ("version", "more", "guessed"),
    [("0.1", {}, True), ("0.2", {}, True), ("0.3", {"axes": ["t", "c", "z", "y", "x"]}, False)],
)
def test_images_of_early_versions(tmp_path: Path, version: str, more: dict[str, Any], guessed: bool) -> None:
    image = {"datasets": [{"path": "0"}, {"path": "1"}], **more}
    stack = open_stack(write_image(tmp_path / "movie.zarr", image, version))
    assert_holds(stack, MOVIE)
    assert stack.axes_guessed is guessed


# -- what is no movie


def array_of(pixels: np.ndarray, **options: Any) -> Callable[[Path], object]:
    return lambda path: zarr.create_array(path, data=pixels, **options)


def a_group(path: Path) -> None:
    zarr.create_group(path)


def a_group_of_arrays(path: Path) -> None:
    group = zarr.create_group(path, zarr_format=2)
    group.create_array("movie", data=MOVIE)
    group.create_array("time", data=np.arange(7))


def a_collection(path: Path) -> None:
    zarr.create_group(path, zarr_format=2, attributes={"bioformats2raw.layout": 3})
    image = {"axes": list("tczyx"), "datasets": [{"path": "0"}, {"path": "1"}]}
    write_image(path / "0", image, "0.3")


def two_images(path: Path) -> None:
    image = {"axes": ["t", "y", "x"], "datasets": [{"path": "0"}]}
    group = zarr.create_group(path, attributes={"multiscales": [image, image]})
    group.create_array("0", data=MOVIE)


def described_as(image: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        group = zarr.create_group(path, attributes={"multiscales": [image]})
        group.create_array("0", data=MOVIE)

    return write


def an_empty_folder(path: Path) -> None:
    path.mkdir()


def no_object(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text("[1, 2]")


def an_unknown_codec(path: Path) -> None:
    zarr.create_array(path, data=MOVIE)
    described = json.loads((path / "zarr.json").read_text())
    described["codecs"].append({"name": "magic", "configuration": {}})
    (path / "zarr.json").write_text(json.dumps(described))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (an_empty_folder, "is not a zarr store (it holds no zarr.json"),
        (array_of(MOVIE[0]), "holds a single picture of 40 x 48 pixels"),
        (array_of(MOVIE[:1]), "holds a single picture of 40 x 48 pixels"),
        (array_of(MOVIE[None, :1]), "holds a single picture of 40 x 48 pixels"),
        (array_of(MOVIE[0, 0]), "an array of the shape (48,)"),
        (lambda path: zarr.create_array(path, shape=(0, 40, 48), dtype="u2"), "of the shape (0, 40, 48)"),
        (array_of(np.stack([MOVIE, MOVIE])), "2 axes besides Y and X (axis 1 = 2, axis 2 = 7)"),
        (
            array_of(np.stack([MOVIE, MOVIE], 1), dimension_names=["t", "c", "y", "x"]),
            "2 axes besides Y and X (T = 7, C = 2)",
        ),
        (array_of(MOVIE.astype("complex64")), "has pixels of type complex64"),
        (array_of(MOVIE > 60), "has pixels of type bool"),
        (a_group, "does not say which of its arrays is a movie: give the folder of an array"),
        (a_group_of_arrays, "wrong.zarr/movie"),
        (a_collection, "give one of its images, for example"),
        (two_images, "describes 2 images"),
        (described_as({"axes": ["t", "y", "x"], "datasets": []}), "is not OME-Zarr"),
        (described_as({"axes": [{"type": "time"}], "datasets": [{"path": "0"}]}), "is not OME-Zarr"),
        (described_as({"axes": 3, "datasets": [{"path": "0"}]}), "is not OME-Zarr"),
        (described_as("a movie"), "is not OME-Zarr"),
        (described_as({"axes": ["t", "y", "x"], "datasets": [{"path": "7"}]}), "the array 7 is missing"),
        (
            described_as({"axes": ["y", "x"], "datasets": [{"path": "0"}]}),
            "names 2 axes of an array that has 3",
        ),
        (no_object, "zarr.json holds no JSON object"),
        (an_unknown_codec, "needs the codec 'magic', which is not supported"),
    ],
)
def test_what_is_no_movie_is_refused_in_one_sentence(
    tmp_path: Path, write: Callable[[Path], object], words: str
) -> None:
    path = tmp_path / "wrong.zarr"
    write(path)
    with pytest.raises(BlinkspotError) as caught:
        open_stack(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_advice_leads_to_the_movie(tmp_path: Path) -> None:
    for write in (a_group_of_arrays, a_collection):
        path = tmp_path / f"{write.__name__}.zarr"
        write(path)
        with pytest.raises(BlinkspotError) as caught:
            open_stack(path)
        advised = Path(str(caught.value).partition("for example ")[2].removesuffix("."))
        np.testing.assert_array_equal(open_stack(advised).frames(0, 7), MOVIE)
