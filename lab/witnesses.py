"""What is said about a server: a size, an API's answer, and what three witnesses say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """What an instance has: vCPUs, and memory in MiB."""

    vcpus: int
    memory_mb: int

    def __str__(self) -> str:
        return f"{self.vcpus} / {self.memory_mb}"


@dataclass(frozen=True)
class Answer:
    """An API's answer: HTTP status, decoded body (None when it had none), headers.

    The headers' names are found in upper and lower case.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """The message of an error body, as Nova formats it: {kind: {code, message}}."""
        if not isinstance(self.body, dict):
            return ""
        return " ".join(
            str(part["message"]) for part in self.body.values() if isinstance(part, dict)
        )


@dataclass(frozen=True)
class Witnesses:
    """One instance's size as each of the three knows it; None: it knows of none."""

    placement: Size | None
    libvirt: Size | None
    guest: Size | None

    def all_say(self, size: Size | None) -> bool:
        return self == Witnesses(size, size, size)
