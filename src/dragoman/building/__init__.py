"""Whatever must be made before a worker can start: toolchains found, programs compiled, environments filled, cached."""
