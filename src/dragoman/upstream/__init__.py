"""Services that run elsewhere, as sources: their operations become functions."""
