"""Values and shapes that every other room speaks: calls, replies, faults, deadlines. Standard library only, no I/O."""
