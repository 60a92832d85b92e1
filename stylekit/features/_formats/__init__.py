"""Read weights files of other programs."""
