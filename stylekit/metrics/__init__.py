"""Measures of a result, for comparing methods and settings on the same pictures."""

from stylekit.metrics.artifacts import chroma_noise, frame
from stylekit.metrics.distances import content_distance, pareto_front, style_distance
from stylekit.metrics.masks import leakage, seam_score
from stylekit.metrics.neighbors import self_similarity_distance, style_coverage, style_nearness

__all__ = [
    "chroma_noise",
    "content_distance",
    "frame",
    "leakage",
    "pareto_front",
    "seam_score",
    "self_similarity_distance",
    "style_coverage",
    "style_distance",
    "style_nearness",
]
