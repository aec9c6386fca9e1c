"""How a worker of each language is started."""
