"""The dock that writes the report."""
