"""Localizations and pictures against what is true."""
