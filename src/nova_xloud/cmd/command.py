# SPDX-License-Identifier: Apache-2.0
"""Adds commands to a program's parser, with help that keeps its line breaks, and parses numbers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add(
    commands: Any,
    name: str,
    parent: argparse.ArgumentParser,
    *,
    what: str,
    description: str | None = None,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Add the command ``name`` to ``commands``, and return the parser of the command.

    :param commands: what ``add_subparsers()`` of a parser has returned
    :param parent: a parser whose options the command has too
    :param what: one line about the command, for the list of commands
    :param description: the text of the command's help before the options
    :param epilog: the text of the command's help after the options
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[parent],
    )
    return parser


def number(kind: type[int] | type[float], least: float) -> Callable[[str], float]:
    """Return a function that parses an argument: a number of at least ``least``.

    The function raises ``argparse.ArgumentTypeError`` for other text.
    """

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(least) - 1
        # Also false for "nan".
        if not least <= value < float("inf"):
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {what} of at least {least:g}")
        return value

    return parse
