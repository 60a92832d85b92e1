"""Entry point of the command line: ``stylekit`` and ``python -m stylekit``."""

import sys


def main() -> None:
    """Run the command line. Ctrl-C while it loads exits without a traceback."""
    try:
        from stylekit.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
