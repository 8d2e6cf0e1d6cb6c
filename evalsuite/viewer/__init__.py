"""`evalsuite view`: a local, read-only web page of all runs in a folder.

May import: `runs`, `report`, `formatting`, `evaluation`. Must not import: `cli`. It never writes and takes no lock.
"""
