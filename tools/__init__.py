"""The project's own checks and the scripts behind the verbs of the Makefile."""
