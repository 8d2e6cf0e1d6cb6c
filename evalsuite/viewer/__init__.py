"""`evalsuite view`: the runs of a folder as a local page, read only."""
