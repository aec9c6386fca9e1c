"""The conformance suite: cases as data, and runners that play one side of the wire to somebody else's other side."""
