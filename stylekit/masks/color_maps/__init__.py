"""Regions from flat colour maps."""
