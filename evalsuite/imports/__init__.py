"""Results that other tools left, read and never changed: one file a tool. `evaluation.import_results` makes a run of them.

May import: `types`, `errors`, `data`, `tasks`, `runs`.
Must not import: `evaluation`, `cli`, or anything that sends requests.
"""
