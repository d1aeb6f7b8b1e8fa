"""Values about a server: a size, an API's answer, and the sizes that three sources report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """The size of an instance: vCPUs, and memory in MiB."""

    vcpus: int
    memory_mb: int

    def __str__(self) -> str:
        return f"{self.vcpus} / {self.memory_mb}"


@dataclass(frozen=True)
class Answer:
    """An API's answer: HTTP status, decoded body (None unless it is JSON), and headers.

    The names of headers may be written in upper or lower case.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def message(self) -> str:
        """The message of an error, which Nova formats as {kind: {code, message}}.

        It is empty if there is no body. Use it for answers that are errors only.
        """
        if not isinstance(self.body, dict):
            return ""
        return " ".join(
            str(part["message"]) for part in self.body.values() if isinstance(part, dict)
        )


@dataclass(frozen=True)
class Witnesses:
    """One instance's size in Placement, in libvirt and in the guest; None where there is none."""

    placement: Size | None
    libvirt: Size | None
    guest: Size | None

    def all_say(self, size: Size | None) -> bool:
        """Return whether Placement, libvirt and the guest all report ``size``."""
        return self == Witnesses(size, size, size)
