"""Memory in exchange for time: plans, tiles, gradient checkpointing and estimates."""
