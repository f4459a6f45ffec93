"""A table of a million rows, written and read in each format: seconds of processor time, and size."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from support import print_table

from blinkspot import LocalizationTable, read_table, write_table
from blinkspot.localization.table import COLUMNS

FORMATS = {"thunderstorm": "a.csv", "smap": "b.csv", "picasso": "c.hdf5"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    generator = np.random.default_rng(0)
    columns = {name: generator.uniform(0.0, 25_600.0, rows) for name in COLUMNS}
    columns["frame"] = np.sort(generator.integers(0, 10_000, rows))
    provenance = {"camera": {"pixel_size_nm": 100.0}, "movie_shape": [10_000, 256, 256]}
    table = LocalizationTable.from_columns(columns, provenance=provenance)
    timed = []
    with tempfile.TemporaryDirectory() as folder:
        for format, name in FORMATS.items():
            path = Path(folder) / name
            started = time.process_time()
            write_table(table, path, format=format)
            written = time.process_time()
            again = read_table(path)
            read = time.process_time()
            difference = max(float(np.abs(again.column(name) - table.column(name)).max()) for name in COLUMNS)
            timed.append((format, written - started, read - written, path.stat().st_size / 1e6, difference))
    print_table(("format", "write, CPU s", "read, CPU s", "MB", "largest difference"), timed)


if __name__ == "__main__":
    main()
