"""The optimisation: it makes an image from losses, an extractor and an optimizer."""

from stylekit._checks import suggest_names
from stylekit.transfer.callbacks import (
    Callback,
    CSVLogger,
    Display,
    EarlyStopping,
    ProgressBar,
    SaveEvery,
    Timelapse,
    TimeLimit,
)
from stylekit.transfer.checkpoint import Checkpoint
from stylekit.transfer.memory.estimate import Memory, estimate_memory
from stylekit.transfer.memory.fit import FitMemory
from stylekit.transfer.memory.plan import Plan, Recompute, Tiles
from stylekit.transfer.memory.recompute import RecomputedObjective
from stylekit.transfer.memory.reuse import Reuse
from stylekit.transfer.memory.tiling import TiledObjective
from stylekit.transfer.objective import Objective
from stylekit.transfer.optimizers import LBFGS, Evaluate, KerasOptimizer, Optimizer
from stylekit.transfer.parameters import FourierPixels, LaplacianPyramid, Parameters, Pixels
from stylekit.transfer.pyramid import Pyramid
from stylekit.transfer.result import NonFiniteLossError, Result, Step, TransferError, device
from stylekit.transfer.starts import Mix, Noise, Start, StyleStatistics, Underpainting
from stylekit.transfer.style_transfer import StyleTransfer

__all__ = [
    "LBFGS",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Display",
    "EarlyStopping",
    "Evaluate",
    "FitMemory",
    "FourierPixels",
    "KerasOptimizer",
    "LaplacianPyramid",
    "Memory",
    "Mix",
    "Noise",
    "NonFiniteLossError",
    "Objective",
    "Optimizer",
    "Parameters",
    "Pixels",
    "Plan",
    "ProgressBar",
    "Pyramid",
    "Recompute",
    "RecomputedObjective",
    "Result",
    "Reuse",
    "SaveEvery",
    "Start",
    "Step",
    "StyleStatistics",
    "StyleTransfer",
    "TiledObjective",
    "Tiles",
    "TimeLimit",
    "Timelapse",
    "TransferError",
    "Underpainting",
    "device",
    "estimate_memory",
]

suggest_names(__name__)
