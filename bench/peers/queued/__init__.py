"""Task queues that Dragoman's tasks are measured beside: one module each, started by `python -m bench.peers.queued`."""
