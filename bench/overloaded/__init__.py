"""A project that is called far more often than it can run."""
