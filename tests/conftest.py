"""Fixtures of the whole suite. What is faked is the network: Azure by the simulator, storage by Azurite; never code."""

import os

os.environ["AZURE_FUNCTIONS_DURABLE_STRICT_TYPING"] = "1"  # as in production; the SDK reads it at import
