import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.localization.table import COLUMNS, OPTIONAL_COLUMNS

POSITION = st.floats(-1e5, 1e6)
VALUE = st.floats(0.0, 1e7)


@st.composite
def tables(draw):
    n = draw(st.integers(0, 6))
    names = [*COLUMNS, *draw(st.lists(st.sampled_from(OPTIONAL_COLUMNS), unique=True))]
    rows = st.tuples(st.integers(0, 10**7), POSITION, POSITION, *[VALUE] * (len(names) - 3))
    values = np.array([draw(rows) for _ in range(n)], dtype=float).reshape(n, len(names))
    return LocalizationTable(
        pd.DataFrame(values, columns=names), draw(st.booleans()), {"step": "localize", "seed": n}
    )


def example(**changes):
    columns = {"frame": [0, 0, 4], "x_nm": [10.0, 20.0, 30.0], "y_nm": [1.0, 2.0, 3.0]}
    return LocalizationTable.from_columns({**columns, **changes})


def written(folder, text, name="table.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(tables())
@settings(max_examples=60, deadline=None)
def test_a_table_comes_back_from_its_file(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    table.save(path)
    again = read_table(path)
    np.testing.assert_array_equal(again.column("frame"), table.column("frame"))
    assert list(again.data) == list(table.data)
    for name in list(table.data)[1:]:
        np.testing.assert_allclose(again.column(name), table.column(name), rtol=1e-9, atol=1e-300)
    assert again.uncertainty_is_valid == table.uncertainty_is_valid
    assert again.provenance == table.provenance


def test_the_file_is_thunderstorms(tmp_path):
    example(uncertainty_nm=[1.5, 2.5, 3.5], detection_strength=[3.0, 2.0, 1.0]).save(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        '"frame","x [nm]","y [nm]","uncertainty [nm]","detection [std(Wave.F1)]"',
        "1,10,1,1.5,3",
        "1,20,2,2.5,2",
        "5,30,3,3.5,1",
    ]


def test_a_full_table_has_thunderstorms_columns(tmp_path):
    table = LocalizationTable(pd.DataFrame(np.ones((1, len(COLUMNS))), columns=list(COLUMNS)))
    table.save(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == (
        '"frame","x [nm]","y [nm]","sigma [nm]","intensity [photon]","offset [photon]","bkgstd [photon]",'
        '"uncertainty [nm]","detection [std(Wave.F1)]"'
    )


def test_an_uncertainty_that_is_not_valid_has_another_name(tmp_path):
    table = LocalizationTable(example(uncertainty_nm=[1.0, 2.0, 3.0]).data, uncertainty_is_valid=False)
    table.save(tmp_path / "t.csv")
    heading = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert '"uncertainty_uncalibrated [nm]"' in heading
    assert '"uncertainty [nm]"' not in heading
    assert not read_table(tmp_path / "t.csv").uncertainty_is_valid


def test_an_empty_table_keeps_all_columns(tmp_path):
    empty = LocalizationTable.from_columns({})
    empty.save(tmp_path / "empty.csv")
    again = read_table(tmp_path / "empty.csv")
    assert len(again) == 0
    assert list(again.data.columns) == list(COLUMNS)
    assert again.data["frame"].dtype == np.int64
    assert len(again.above(1.0)) == 0


def test_nothing_is_overwritten_and_nothing_is_left_half(tmp_path):
    example().save(tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    with pytest.raises(BlinkspotError, match="exists already"):
        example().save(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before
    (tmp_path / "b.provenance.json").write_text("{}")
    with pytest.raises(BlinkspotError, match="exists already"):
        example().save(tmp_path / "b.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.csv",
        "a.provenance.json",
        "b.provenance.json",
    ]


def test_thunderstorms_own_files_are_read(shared_data):
    paths = sorted((shared_data / "simulated").glob("*.csv"))
    assert len(paths) == 15
    for path in paths:
        table, raw = read_table(path), pd.read_csv(path)
        assert len(table) == len(raw)
        np.testing.assert_array_equal(table.column("frame"), raw["frame"] - 1)
        np.testing.assert_array_equal(table.column("x_nm"), raw["x [nm]"])
        np.testing.assert_array_equal(table.column("photons"), raw["intensity [photon]"])
        assert np.isnan(table.column("detection_strength")).all()
        if "uncertainty_xy [nm]" in raw:
            np.testing.assert_array_equal(table.column("uncertainty_nm"), raw["uncertainty_xy [nm]"])
            assert table.uncertainty_is_valid


@pytest.mark.parametrize(
    "text",
    [
        '"id","frame","x [nm]","y [nm]","uncertainty [nm]"\n1,1,5,6,7\n2,3,8,9,10\n',
        "y [nm],uncertainty_xy [nm],chi2,x [nm],frame\n6,7,1000,5,1\n9,10,1000,8,3\n",
        "\ufeffframe, x [nm], y [nm], uncertainty [nm]\r\n1.0, 5, 6, 7\r\n3.0, 8, 9, 10\r\n",
        "Frame,X [nm],Y [NM],uncertainty [nm],remark\n1,5,6,7,a\n3,8,9,10,b\n",
    ],
    ids=["with id", "another order", "other line ends", "capitals and words"],
)
def test_dialects(tmp_path, text):
    table = read_table(written(tmp_path, text))
    np.testing.assert_array_equal(table.column("frame"), [0, 2])
    np.testing.assert_array_equal(table.column("x_nm"), [5, 8])
    np.testing.assert_array_equal(table.column("y_nm"), [6, 9])
    np.testing.assert_array_equal(table.column("uncertainty_nm"), [7, 10])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("frame,y [nm]\n1,2\n", r"no column 'x \[nm\]'"),
        ("x [nm],y [nm]\n1,2\n", "no column 'frame'"),
        (
            "frame,x [px],y [px]\n1,2,3\n",
            r"'x \[px\]', in pixels, .* give the pixel size",
        ),
        ("frame,x,y\n1,2,3\n", r"'x', where 'x \[nm\]' is needed"),
        ("frame,x [nm],y [nm],intensity [ADU]\n1,2,3,4\n", r"intensity \[photon\]"),
        ("frame,x [nm],y [nm]\n1,2,3\n2,,3\n", r"nan for 'x \[nm\]' in data row 2"),
        ("frame,x [nm],y [nm]\n1,2,NaN\n", r"nan for 'y \[nm\]' in data row 1"),
        ("frame,x [nm],y [nm]\n,2,3\n", "nan for 'frame' in data row 1"),
        ("frame,x [nm],y [nm]\n1,inf,3\n", "inf for"),
        ("frame,x [nm],y [nm]\n1,1e300,3\n", r"1e\+300 for 'x \[nm\]'"),
        ("frame,x [nm],y [nm]\n1,2,3,4,5\n6,7,8\n", "Line 2 of the table .* has 5 values and not 3"),
        ("frame,x [nm],y [nm]\n1,two,3\n", r"two for 'x \[nm\]'"),
        ("frame,x [nm],y [nm],sigma [nm]\n1,2,3,wide\n", r"wide for 'sigma \[nm\]'"),
        ("frame,x [nm],y [nm]\n0,2,3\n", "frame 0 in data row 1"),
        ("frame,x [nm],y [nm]\n1.5,2,3\n", "frame 1.5"),
        ("frame,uncertainty [nm],uncertainty_xy [nm],x [nm],y [nm]\n1,2,3,4,5\n", "more than one column"),
        ("hello\n", "no column 'frame'"),
        (b"II*\x00\xff\xfe\x00\x80" * 50, None),
        (bytes(range(256)) * 20, None),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(BlinkspotError, match=words) as caught:
        read_table(path)
    assert "table.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_gets_one_sentence(tmp_path):
    with pytest.raises(BlinkspotError, match="cannot be read"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BlinkspotError, match="cannot be read"):
        read_table(tmp_path)


@pytest.mark.parametrize("text", ["not JSON", "[1]"])
def test_bad_provenance_gets_one_sentence(tmp_path, text):
    path = written(tmp_path, "frame,x [nm],y [nm]\n1,2,3\n")
    (tmp_path / "table.provenance.json").write_text(text)
    with pytest.raises(BlinkspotError, match="provenance"):
        read_table(path)


def test_provenance_lies_beside(tmp_path):
    table = LocalizationTable(example().data, provenance={"step": "localize", "seed": None})
    table.save(tmp_path / "a.b.csv")
    assert json.loads((tmp_path / "a.b.provenance.json").read_text()) == table.provenance


def test_a_threshold_filters_by_strength():
    table = example(detection_strength=[0.9, 1.0, 1.1])
    np.testing.assert_array_equal(table.above(1.0).column("x_nm"), [20, 30])
    np.testing.assert_array_equal(table.above(1.0).data.index, [0, 1])
    with pytest.raises(BlinkspotError, match="no detection strengths"):
        example().above(1.0)


def test_rows_of_a_frame():
    np.testing.assert_array_equal(example().in_frame(0).column("x_nm"), [10, 20])
    assert len(example().in_frame(3)) == 0


def test_a_table_needs_frames_and_positions():
    with pytest.raises(BlinkspotError, match="y_nm"):
        LocalizationTable(pd.DataFrame({"frame": [0], "x_nm": [1.0]}))
    with pytest.raises(BlinkspotError, match="Row 2"):
        example(x_nm=[1.0, np.nan, 2.0])


@pytest.mark.parametrize(
    "frames", [[0.0, 0.5, 1.0], [-1, 0, 1], [0, 1, 10**9], np.array([0, 1, 2**63], np.uint64)], ids=str
)
def test_a_frame_that_no_file_could_hold_gets_one_sentence(frames):
    with pytest.raises(BlinkspotError, match="frames must be whole numbers from 0 to 100,000,000"):
        example(frame=frames)


def test_columns_of_different_lengths_get_one_sentence():
    with pytest.raises(BlinkspotError, match="must be lists of numbers of one length"):
        example(x_nm=[1.0, 2.0])
    with pytest.raises(BlinkspotError, match="must be lists of numbers of one length"):
        example(x_nm=np.ones((3, 2)))


def test_words_are_no_numbers():
    features = pd.DataFrame({"frame": [0], "x_nm": [1.0], "y_nm": [1.0], "sigma_nm": ["wide"]})
    with pytest.raises(BlinkspotError, match=r"^The column sigma_nm .* not a number"):
        LocalizationTable.from_features(features)


@pytest.mark.parametrize("valid", [True, False])
def test_features_name_an_uncertainty_that_is_not_valid(valid):
    table = LocalizationTable.from_columns(
        {"frame": [0], "x_nm": [1.0], "y_nm": [2.0], "uncertainty_nm": [7.0]}, uncertainty_is_valid=valid
    )
    assert ("uncertainty_nm" in table.features) == valid
    again = LocalizationTable.from_features(table.features, {"step": "localize"})
    assert again.uncertainty_is_valid == valid
    assert again.column("uncertainty_nm")[0] == 7.0
    assert again.provenance == {"step": "localize"}
