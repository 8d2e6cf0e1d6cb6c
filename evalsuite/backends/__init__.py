"""How a model is served: one file a server, behind the small protocol in `base`. Knows nothing of datasets."""
