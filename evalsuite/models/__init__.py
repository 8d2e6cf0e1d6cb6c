"""What is evaluated: telling a checkpoint's form, finding its weights, naming it by a fingerprint."""
