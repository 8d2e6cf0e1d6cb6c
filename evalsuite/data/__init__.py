"""Files on disk → validated samples: readers, folder layouts, few-shot pools, built-in datasets.

Knows nothing of tasks: what a row must hold is said by the `RowParser` it is given.
"""
