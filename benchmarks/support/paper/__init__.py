"""The parts of ``paper_tables.py``: data sets, protocols, peers, tables, pictures, the page."""
