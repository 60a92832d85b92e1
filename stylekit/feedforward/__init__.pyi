from .file import about as about
from .network import StyleNetwork as StyleNetwork
from .painter import Painter as Painter
from .painter import load as load
from .training import train as train
