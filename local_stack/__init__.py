"""The whole system on one machine: Azurite for the ledger, the simulator for Azure, a host for the app.

A development tool. It starts the real app with nothing but settings, drives it over HTTP like any caller, and ends
every process it started.
"""
