"""Segmentation networks: DeepLab and instance networks."""
