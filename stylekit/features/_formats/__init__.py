"""Read weights files that other programs write."""
