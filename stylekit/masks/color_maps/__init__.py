"""Masks of regions from maps in flat colours."""
