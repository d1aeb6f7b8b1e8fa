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
    :param parent: a parser whose options the command has too
    :param what: the line of the command in the list of commands
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
