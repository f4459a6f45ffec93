"""What a file may not do to its reader, looked at before the libraries act on it."""
