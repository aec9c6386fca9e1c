"""The bench's Python source over tables."""
