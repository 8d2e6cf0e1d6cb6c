"""Makes one model from another: `merge`, `quantize`, `gguf`; reloads the result and compares it (`verification`).

May import: `models`, `backends`, `_util`.
Must not import: datasets, tasks, runs or the command line.
"""
