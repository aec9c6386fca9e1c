"""Typed clients: a project's contracts as source code of the languages that have an SDK."""
