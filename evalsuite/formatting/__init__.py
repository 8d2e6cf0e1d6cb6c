"""How numbers and texts look to readers: the same on every page, in the terminal and in notebooks.

May import: the standard library, `_util`, `metrics`. Must not import: anything that knows runs, datasets or comparisons.
"""
