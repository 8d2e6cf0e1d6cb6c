"""Results that other tools left, read and never changed: one file a tool. `evalsuite.importing` makes a run of them."""
