"""Movies: opened lazily from TIFF files and zarr stores, checked, and written in a stream."""
