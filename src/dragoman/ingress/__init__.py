"""Ways in: a foreign request becomes a call, a fault becomes a foreign status."""
