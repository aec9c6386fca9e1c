"""What runs inside a warm Python worker: the import of the user's file, and the servers that call its functions."""
