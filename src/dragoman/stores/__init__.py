"""What hosts share, in servers beside them: limits, answers and keys. Needs the extra `dragoman[redis]`."""
