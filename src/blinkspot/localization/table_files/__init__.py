"""Tables of localizations as files: ThunderSTORM's CSV, SMAP's CSV, Picasso's HDF5 with YAML.

A :class:`~blinkspot.localization.LocalizationTable` is in nm from the corner of the first pixel, with frames
from 0. Each format has a module that knows its columns, units, origin and first frame; nothing else does.
"""

from blinkspot.localization.table_files.formats import TableFormat, read_table, table_paths, write_table

__all__ = ["TableFormat", "read_table", "table_paths", "write_table"]
