"""The command line: ``seriatim demo`` and ``seriatim info``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from seriatim._config import __version__, show_config

__all__ = ["main"]


def __dir__() -> list[str]:
    return sorted(__all__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="seriatim", description="Recurrent sequence models with Swift kernels.")
    parser.add_argument("--version", action="version", version=f"seriatim {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="what this installation is")
    demo = commands.add_parser("demo", help="train DeepGRU on spoken digits, beside sequentia's kNN and HMM")
    demo.add_argument("--output", default="demo-output", help="folder for the model and the pictures (%(default)s)")
    demo.add_argument("--epochs", type=int, default=12, help="(%(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    demo.add_argument("--fraction", type=float, default=1.0, help="share of the recordings to use (%(default)s)")
    demo.add_argument("--no-peers", action="store_true", help="leave sequentia's classifiers out")
    demo.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if options.command == "info":
        show_config()
        return 0
    from seriatim.demo import main as run

    try:
        run(
            options.output,
            options.epochs,
            options.seed,
            options.fraction,
            not options.no_peers,
            0 if options.quiet else 1,
        )
    except OSError as error:
        parser.exit(1, f"seriatim demo: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
