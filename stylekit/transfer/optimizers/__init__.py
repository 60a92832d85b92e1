"""Optimizers: the interface, L-BFGS, and an adaptor for Keras optimizers."""

from stylekit.transfer.optimizers.base import Evaluate, Optimizer
from stylekit.transfer.optimizers.keras_optimizer import KerasOptimizer, OptimizerLike, as_optimizer
from stylekit.transfer.optimizers.lbfgs import LBFGS

__all__ = ["LBFGS", "Evaluate", "KerasOptimizer", "Optimizer", "OptimizerLike", "as_optimizer"]
