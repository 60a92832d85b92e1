"""Weights files of other programs."""
