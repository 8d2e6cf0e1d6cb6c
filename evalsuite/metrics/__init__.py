"""Scores and statistics as pure functions without I/O. Import the part you need: `from evalsuite.metrics import choices`."""
