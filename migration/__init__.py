"""The core: what a migration from Standard to Enhanced backup policies is, and the rules it follows.

Pure: no Azure, no network, no clock, no environment. Everything here takes values and returns values, so every
rule can be read, tested and trusted on its own.
"""
