"""Durable tasks: calls that are stored before they run."""
