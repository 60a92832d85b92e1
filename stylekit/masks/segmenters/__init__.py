"""Segmenters that run networks: DeepLab and instance networks."""
