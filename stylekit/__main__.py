"""``python -m stylekit``: the command line."""

from stylekit.cli import main

main()
