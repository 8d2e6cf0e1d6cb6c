"""The command line, one file for each command: it reads options, calls one function and prints the result.

May import: everything. Must not hold logic that a Python caller would miss; `--help` must not import what loads slowly.
"""
