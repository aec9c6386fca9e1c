"""Queues: brokers as a way in for calls, and a place for results."""
