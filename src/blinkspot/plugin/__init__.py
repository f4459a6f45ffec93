"""The napari docks, reader, writer and sample: the only part that knows napari and Qt."""
