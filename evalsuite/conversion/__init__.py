"""Makes one model from another: merge adapters, quantize, convert to GGUF; then reload the result and compare it.

May import: `models`, `backends`, `_util`. Must not import: datasets, tasks or runs.
"""
