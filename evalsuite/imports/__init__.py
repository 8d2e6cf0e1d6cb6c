"""Results that other tools left, read and never changed: one file a tool. `evalsuite.evaluation.import_results` makes a run of them."""
