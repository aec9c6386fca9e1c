"""What a function promises: contracts, the schemas and codecs behind them, and the binding of Python functions."""
