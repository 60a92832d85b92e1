"""Fast convolutions on a processor."""
