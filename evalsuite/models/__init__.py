"""What is evaluated: recognises a checkpoint's form, finds its weights and adapters, identifies it by a fingerprint.

May import: `types`, `errors`, `_util`.
Must not import: what makes, serves or asks a model.
"""
