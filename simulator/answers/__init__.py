"""The handlers, by resource: each reads a call, asks the state or the rules, and answers through a view."""
