"""The work behind each command: evaluate, score, rescore, rebuild, compare, import, export.

May import: every folder below. Must not import: `cli`, `viewer`, `training`.
"""
