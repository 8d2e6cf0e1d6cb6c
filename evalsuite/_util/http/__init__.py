"""HTTP for the whole project: two transports, control calls, downloads; proxies, certificates and keys of the environment.

May import: the standard library, httptools, aiohttp and `_util`.
Must not import: anything that knows the OpenAI protocol, models or datasets.
"""
