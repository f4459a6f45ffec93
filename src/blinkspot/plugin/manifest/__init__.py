"""What napari.yaml offers besides the docks: nothing else imports it."""
