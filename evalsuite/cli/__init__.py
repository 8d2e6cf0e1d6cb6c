"""The command line, one file for each command: it reads options, calls one function and prints the result.

May import: everything; what loads slowly only inside the functions that need it, since `--help` must stay light.
Must not import: nothing is forbidden, but nothing here may hold logic that a Python caller would miss.
"""
