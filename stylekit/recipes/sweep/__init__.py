"""Runs a recipe with every combination of some parameters."""
