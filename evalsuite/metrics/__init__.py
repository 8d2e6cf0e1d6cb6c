"""Pure functions that read answers, compute scores and do the statistics. Import the part you need.

May import: `types`, `errors`, other metrics, and libraries (inside functions where they load slowly).
Must not import: tasks, data, runs, or anything that opens files or sends requests.
"""
