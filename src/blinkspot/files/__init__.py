"""Files that are whole once they bear their names, whatever happens meanwhile."""
