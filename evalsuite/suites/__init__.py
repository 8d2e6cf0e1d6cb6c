"""Other evaluation suites behind our command: EvalScope, OpenCompass, VLMEvalKit.

Their benchmarks are not rewritten. Each suite lives in an environment of its own (`environments`) and is driven against
our endpoint by a small script that runs there (`drivers/`); what it wrote a sample becomes our journal lines
(`evalsuite.runs.imported`). Nothing of a suite is ever imported into this process.
"""
