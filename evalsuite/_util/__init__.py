"""Small helpers without a home: compact arrays, JSON values, log handlers, processes, the user's cache, the event loop.

May import: the standard library, msgspec, `errors`.
Must not import: any other folder of evalsuite.
"""
