"""Networks that compute feature maps of pictures."""

from stylekit._checks import suggest_names
from stylekit.features.circular import CircularPadding
from stylekit.features.compact import CompactVGG
from stylekit.features.convert import convert_weights
from stylekit.features.extractor import FeatureExtractor
from stylekit.features.geometry import Grid, Window
from stylekit.features.keras_extractor import KerasExtractor
from stylekit.features.reflected import ReflectPadding
from stylekit.features.vgg19 import VGG19

__all__ = [
    "VGG19",
    "CircularPadding",
    "CompactVGG",
    "FeatureExtractor",
    "Grid",
    "KerasExtractor",
    "ReflectPadding",
    "Window",
    "convert_weights",
]

suggest_names(__name__)
