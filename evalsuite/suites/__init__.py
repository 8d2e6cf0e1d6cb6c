"""Runs benchmarks of other suites: EvalScope, OpenCompass, VLMEvalKit.

Each suite has an environment of its own (`environments`). A small script runs there against our endpoint (`drivers/`), and
its results become our journal lines (`evalsuite.runs.imported`).

May import: `runs`, `backends`, `endpoint`, `metrics`, `config`.
Must not import: `evaluation`, the command line, or a suite itself: nothing of a suite runs in this process.
"""
