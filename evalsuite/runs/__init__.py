"""The run directory: its documents (`schema`), plan, journal, resume, replay, counts and summary.

May import: `config`, `options`, `data`, `tasks`, `metrics`, `endpoint`, `formatting`. Must not import: `serving`,
`comparison`, `report`, `evaluation`. The journal alone rebuilds everything but run.json.
"""
