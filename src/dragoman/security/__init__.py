"""Who calls and what they may do. So far TLS."""
