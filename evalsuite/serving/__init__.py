"""Decides which server answers for which variant, starts it, checks it, and keeps it running for `evalsuite deploy`.

May import: `models`, `conversion`, `backends`, `endpoint`, `runs`.
Must not import: `evaluation` or the command line.
"""
