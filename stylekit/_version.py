"""The version number. The package and its build configuration both read it from here."""

__version__ = "0.1.0"
