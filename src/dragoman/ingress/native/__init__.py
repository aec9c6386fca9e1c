"""The native ingress: calls in the wire's own frames, over a UNIX socket or TCP with TLS (SPEC.md §19, ADR 0014)."""
