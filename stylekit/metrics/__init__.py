"""Metrics of results, for comparing methods and settings on the same pictures."""

from stylekit._checks import suggest_names
from stylekit.metrics.artifacts import chroma_noise, frame, tile_seam
from stylekit.metrics.distances import content_distance, pareto_front, style_distance
from stylekit.metrics.evaluation import evaluate
from stylekit.metrics.flicker import flicker, warping_error
from stylekit.metrics.masks import leakage, seam_score
from stylekit.metrics.neighbors import (
    cfsd,
    self_similarity_distance,
    style_coverage,
    style_nearness,
)
from stylekit.metrics.similarity import color_distance, ssim
from stylekit.metrics.wasserstein import sliced_wasserstein_distance

__all__ = [
    "cfsd",
    "chroma_noise",
    "color_distance",
    "content_distance",
    "evaluate",
    "flicker",
    "frame",
    "leakage",
    "pareto_front",
    "seam_score",
    "self_similarity_distance",
    "sliced_wasserstein_distance",
    "ssim",
    "style_coverage",
    "style_distance",
    "style_nearness",
    "tile_seam",
    "warping_error",
]

suggest_names(__name__)
