"""The OpenAI wire client: request bodies, replies, retries, a pool of workers. Knows nothing of datasets."""
