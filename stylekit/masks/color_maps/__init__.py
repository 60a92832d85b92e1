"""Masks of regions from colour maps: pictures that mark each region by a flat colour."""
