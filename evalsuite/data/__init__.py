"""Files and hubs → samples: readers, columns, options and pictures of a row, folder layouts, built-in datasets.

May import: `types`, `errors`, `_util`, `metrics`, `formatting`.
Must not import: `tasks` (what a row must hold is said by the `RowParser` that is passed in), or anything that sends requests.
"""
