"""Callers of functions: the faces that `dragoman.open` and `dragoman.connect` share, and the HTTP client."""
