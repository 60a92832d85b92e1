"""The optimisation: from terms and an extractor to an image."""

from stylekit.transfer.callbacks import CSVLogger, Display, EarlyStopping, ProgressBar, SaveEvery
from stylekit.transfer.initial import Mix, Noise, Start, StyleStatistics, Underpainting
from stylekit.transfer.objective import Objective
from stylekit.transfer.optimizers import LBFGS, KerasOptimizer, Optimizer
from stylekit.transfer.parameters import Parameters, Pixels
from stylekit.transfer.pyramid import Pyramid
from stylekit.transfer.result import NonFiniteLossError, Result, Step, TransferError, device
from stylekit.transfer.style_transfer import StyleTransfer

__all__ = [
    "LBFGS",
    "CSVLogger",
    "Display",
    "EarlyStopping",
    "KerasOptimizer",
    "Mix",
    "Noise",
    "NonFiniteLossError",
    "Objective",
    "Optimizer",
    "Parameters",
    "Pixels",
    "ProgressBar",
    "Pyramid",
    "Result",
    "SaveEvery",
    "Start",
    "Step",
    "StyleStatistics",
    "StyleTransfer",
    "TransferError",
    "Underpainting",
    "device",
]
