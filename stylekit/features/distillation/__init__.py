"""Training of the bundled networks: ``python -m stylekit.features.distillation``."""
