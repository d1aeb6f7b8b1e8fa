# SPDX-License-Identifier: Apache-2.0
"""Add a command to ``nova-xloud-status``; its help keeps the line breaks of its text."""

from __future__ import annotations

import argparse
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
    """Add a command to a parser's ``add_subparsers()``, and return the parser of the command.

    :param commands: what ``add_subparsers()`` returned
    :param what: the line of the command in the list of commands
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
