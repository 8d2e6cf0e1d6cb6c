"""The OpenAI wire client: request bodies, replies, retries, probes, the reply cache, a pool of workers.

May import: `types`, `errors`, `_util`.
Must not import: datasets, tasks, runs or anything else that knows what is evaluated.
"""
