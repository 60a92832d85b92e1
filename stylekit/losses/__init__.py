"""Losses, and the base classes to write new ones."""

from stylekit._checks import suggest_names
from stylekit.losses.base import Loss, Needs
from stylekit.losses.canvas import Canvas
from stylekit.losses.content import ContentLoss, PixelLoss
from stylekit.losses.gram import GradientMaskStyleLoss, GramStyleLoss, MaskedGramStyleLoss
from stylekit.losses.long_range import LongRangeGramStyleLoss
from stylekit.losses.moments import MomentStyleLoss
from stylekit.losses.neighbors import NeighborStyleLoss
from stylekit.losses.palette import PaletteLoss
from stylekit.losses.patch import PatchStyleLoss
from stylekit.losses.photoreal import MattingLaplacianLoss
from stylekit.losses.region import Region
from stylekit.losses.relaxed_transport import RelaxedTransportLoss
from stylekit.losses.self_similarity import SelfSimilarityLoss
from stylekit.losses.statistic import StatisticLoss
from stylekit.losses.temporal import TemporalLoss
from stylekit.losses.tileable import TileableLoss
from stylekit.losses.transport import SlicedWassersteinLoss, WassersteinStyleLoss
from stylekit.losses.variation import TotalVariationLoss
from stylekit.losses.windows import WindowGramStyleLoss

__all__ = [
    "Canvas",
    "ContentLoss",
    "GradientMaskStyleLoss",
    "GramStyleLoss",
    "LongRangeGramStyleLoss",
    "Loss",
    "MaskedGramStyleLoss",
    "MattingLaplacianLoss",
    "MomentStyleLoss",
    "Needs",
    "NeighborStyleLoss",
    "PaletteLoss",
    "PatchStyleLoss",
    "PixelLoss",
    "Region",
    "RelaxedTransportLoss",
    "SelfSimilarityLoss",
    "SlicedWassersteinLoss",
    "StatisticLoss",
    "TemporalLoss",
    "TileableLoss",
    "TotalVariationLoss",
    "WassersteinStyleLoss",
    "WindowGramStyleLoss",
]

suggest_names(__name__)
