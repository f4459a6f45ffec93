"""Tables as spreadsheets and scripts leave them: other separators, truth values, very large numbers."""

import h5py
import numpy as np
import pytest

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table, write_table

FORMATS = {"thunderstorm": "table.csv", "smap": "table.csv", "picasso": "table.hdf5"}
THUNDERSTORM = "frame,x [nm],y [nm],sigma [nm]\n"


def table(**changes):
    columns = {"frame": [0, 1, 2], "x_nm": [50.0, 60.0, 70.0], "y_nm": [50.0, 60.0, 70.0], **changes}
    return LocalizationTable.from_columns(columns, provenance={"camera": {"pixel_size_nm": 100.0}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frame;x [nm];y [nm]\n1;2,5;3,5\n", "has its values between semicolons, and not commas: save it as"),
        ("xnm\tynm\tframe\n1.5\t2.5\t1\n", "has its values between tabs, and not commas: save it as"),
        (THUNDERSTORM + "1,True,3,120\n", r"has True for 'x \[nm\]' in data row 1: a number is needed there"),
        (THUNDERSTORM + "1,2,3,\n2,2,3,true\n", r"has True for 'sigma \[nm\]' in data row 2"),
    ],
)
def test_what_would_be_taken_for_something_else_gets_one_sentence(tmp_path, text, words):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(BlinkspotError, match=words) as caught:
        read_table(tmp_path / "table.csv", pixel_size_nm=100.0)
    assert "\n" not in str(caught.value)


def test_the_bkgstd_of_molecules_that_thunderstorm_merged_is_that_of_a_frame(tmp_path):
    # ThunderSTORM's MergingOperations: intensity and bkgstd are summed, offset is the mean.
    (tmp_path / "merged.csv").write_text(
        "id,frame,x [nm],y [nm],intensity [photon],offset [photon],bkgstd [photon],detections\n"
        "1,1,100,200,900,5,12,3\n2,4,300,200,400,6,4,1\n3,9,300,200,400,6,4,\n"
    )
    merged = read_table(tmp_path / "merged.csv")
    assert merged.column("background_std_photons").tolist() == [4.0, 4.0, 4.0]
    assert merged.column("background_photons").tolist() == [5.0, 6.0, 6.0]
    assert merged.column("photons").tolist() == [900.0, 400.0, 400.0]
    merged.save(tmp_path / "ours.csv")
    assert read_table(tmp_path / "ours.csv").column("background_std_photons").tolist() == [4.0, 4.0, 4.0]


def test_truth_values_of_picasso_are_no_numbers(tmp_path):
    locs = np.zeros(2, [("frame", "u4"), ("x", "?"), ("y", "f4")])
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        file["locs"] = locs
    with pytest.raises(BlinkspotError, match="no numbers in its field 'x'"):
        read_table(tmp_path / "t.hdf5", pixel_size_nm=100.0)


def test_a_truth_value_is_no_pixel_size(tmp_path):
    table().save(tmp_path / "t.hdf5")
    beside = tmp_path / "t.yaml"
    beside.write_text(beside.read_text().replace("Pixelsize: 100.0", "Pixelsize: true"))
    with pytest.raises(BlinkspotError, match="state the pixel size 'True', which is no number"):
        read_table(tmp_path / "t.hdf5")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "molecule", [[2**24, 2**24 + 1, np.nan], [2**31, 2**31 + 1, 2], [10**12, 10**12 + 1, np.nan]]
)
def test_molecules_of_large_numbers_stay_apart(tmp_path, format, molecule):
    path = tmp_path / FORMATS[format]
    write_table(table(molecule=molecule), path, format=format)
    np.testing.assert_array_equal(read_table(path).column("molecule"), molecule)


@pytest.mark.parametrize("format", FORMATS)
def test_the_last_frame_that_a_table_holds_comes_back(tmp_path, format):
    path = tmp_path / FORMATS[format]
    write_table(table(frame=[0, 1, 100_000_000]), path, format=format)
    assert read_table(path).column("frame").tolist() == [0, 1, 100_000_000]
