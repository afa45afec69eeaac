"""The operators' command line. It knows the app by its HTTP API alone and can be installed without it."""

__version__ = "0.1.0"
