"""A run directory: its plan, its journal, resuming, tallies and summary. The journal alone rebuilds the rest."""
