"""The options of a run, each written once: type, default, help and panel stand on the field.

May import: `errors`, `types`, and what checks a single value (`endpoint.base_url`, `metrics.gates`).
Must not import: any other folder, or anything that loads slowly, since `evalsuite --help` reads these modules.
"""
