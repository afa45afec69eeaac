"""Runs a Durable Functions app (Python v2 programming model) without the Azure Functions host.

A development tool: ``python -m local_host`` serves an app folder, `local_host.host.LocalHost` runs an app object
inside a test. What it supports, refuses and leaves out is in README.md. It knows nothing of this project's app.
"""
