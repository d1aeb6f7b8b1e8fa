# SPDX-License-Identifier: Apache-2.0
"""How a command of ``nova-xloud-status`` looks: alike, with its text as it is written."""

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
    """Add one to a parser's ``add_subparsers()``.

    :param what: its line in the list of commands
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
