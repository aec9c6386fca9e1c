"""The way in over HTTP: calls on a lane of their own, pages beside them."""
