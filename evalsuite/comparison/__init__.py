"""Compares variants of finished runs on the rows they have in common: alignment, contrasts, verdicts, tables.

May import: `metrics`, `data`, `tasks`, `runs`, `formatting`. Must not import: `report`, `evaluation`, `cli`.
"""
