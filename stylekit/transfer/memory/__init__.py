"""Memory for time: plans, tiles, gradient checkpointing, estimates."""
