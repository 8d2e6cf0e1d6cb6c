"""Numbers and texts as people read them, the same on every page, in the terminal and in notebooks.

May import: the standard library, `_util`. Must not import: anything that knows what a run or a dataset is.
"""
