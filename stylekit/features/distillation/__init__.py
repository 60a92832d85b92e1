"""Train the bundled networks with ``python -m stylekit.features.distillation``."""
