"""The shell: one file, one function, one step against Azure or the ledger. `ls` of this folder lists every side effect.

An activity takes the clients and a typed order, and answers with a small typed value or nothing. It may run twice:
each finds out from the ledger what was done already. What the service declines is a value; only what another try
may cure is raised.
"""
