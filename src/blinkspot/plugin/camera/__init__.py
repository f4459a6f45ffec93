"""The cameras of a viewer's movies: kept, found out, edited, remembered."""
