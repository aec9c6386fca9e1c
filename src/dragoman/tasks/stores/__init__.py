"""Where tasks are kept: one module, or package, for each kind of store."""
