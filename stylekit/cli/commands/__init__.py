"""The commands, one or a few in a file."""
