"""Damaged and hostile files, and the children that read them within limits."""
