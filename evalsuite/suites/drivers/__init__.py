"""Scripts that run in the environments of other suites. Nothing here is imported by evalsuite; see `driver_protocol`."""
