# SPDX-License-Identifier: Apache-2.0
"""The tests that must differ, by name, each with its reason: ``exceptions.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

# More than these would say that stock Nova can tell.
MOST = 9


@dataclass(frozen=True)
class Exceptions:
    """Reasons by the id of a test, or of a module that cannot be collected."""

    reasons: dict[str, str]

    def stale(self, modules: set[str], differing: set[str]) -> list[str]:
        """Those in ``modules`` that differ no longer."""
        return sorted(
            name
            for name in self.reasons
            if name.partition("::")[0] in modules and name not in differing
        )


def parse(text: str, release: str, most: int = MOST) -> Exceptions:
    """Those of a release of Nova: an entry without ``releases`` is of all.

    An entry for ``33.0`` is for 33.0.2 too.

    :param release: such as ``33.0.2``
    :param most: how many entries there may be
    :raises ValueError: there are too many, or one has no reason
    """
    entries = tomllib.loads(text).get("exception", [])
    if len(entries) > most:
        raise ValueError(f"{len(entries)} exceptions: {most} are the most")
    for entry in entries:
        if not entry.get("reason"):
            raise ValueError(f"{entry['test']}: an exception needs a reason")
    return Exceptions(
        {
            entry["test"]: entry["reason"]
            for entry in entries
            if any(f"{release}.".startswith(f"{one}.") for one in entry.get("releases", [release]))
        }
    )
