# SPDX-License-Identifier: Apache-2.0
"""Map libvirt's errors to :mod:`nova_xloud.errors` by code, message and call.

One code of libvirt has many meanings. The table has the names of libvirt's constants and not their
numbers, because Nova's fake libvirt has other numbers on purpose. The numbers in the comments are
libvirt's (virterror.h). The messages were read in libvirt 9.0 and 11.3 (``strings`` of libvirt.so.0
and libvirt_driver_qemu.so), and most of them were seen there too. If libvirtd's messages are not in
English, the code and the call alone decide, on the safe side.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nova_xloud import errors


class Call(enum.Enum):
    """The kind of libvirt call, as far as it decides what an error means."""

    VCPUS = "vcpus"
    """setVcpusFlags with VCPU_LIVE, which adds vCPUs or waits for the guest to give them back."""
    AGENT = "agent"
    """A call that the guest's agent answers: guestVcpus, and setVcpusFlags with VCPU_GUEST."""
    OTHER = "other"
    """Any other call, also a setVcpusFlags that changes the definition alone."""


EVERY: Final = frozenset(Call)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table: what one libvirt error means.

    :ivar constant: the name of libvirt's constant, such as ``VIR_ERR_NO_DOMAIN``
    :ivar error: the class that is raised for this error
    :ivar words: a part of libvirt's message, in lower case; empty: any message
    :ivar calls: the kinds of calls on which the error has this meaning
    """

    constant: str
    error: type[errors.DomainError]
    words: str = ""
    calls: frozenset[Call] = EVERY

    def fits(self, constant: str | None, message: str, call: Call) -> bool:
        """Return whether an error with this constant and message on this call fits the row."""
        return constant == self.constant and self.words in message.lower() and call in self.calls


VCPUS: Final = frozenset({Call.VCPUS})
AGENT: Final = frozenset({Call.AGENT})
SIZES: Final = frozenset({Call.VCPUS, Call.OTHER})
BUSY: Final = "state change lock"

# The first row that fits counts: of each code, the rows with words come before the row without.
MEANINGS: Final = (
    # 1: anything. "unable to execute QEMU command 'device_del': Device vcpu3 is already in the
    # process of unplug"; "core-id 3 unplug is still pending" on ppc64
    Meaning("VIR_ERR_INTERNAL_ERROR", errors.RemovalTimedOut, "process of unplug", VCPUS),
    Meaning("VIR_ERR_INTERNAL_ERROR", errors.RemovalTimedOut, "unplug is still pending", VCPUS),
    # "unable to execute QEMU agent command 'guest-get-vcpus': ... has been disabled", "guest agent
    # returned malformed or invalid return value", "vcpu id '9' reported by guest agent is out of
    # range", "guest-get-vcpus reply was missing return data"
    Meaning("VIR_ERR_INTERNAL_ERROR", errors.AgentUnavailable, calls=AGENT),
    # 8: "requested vcpus is greater than max allowable vcpus for the live domain", "cannot set
    # memory higher than max memory", "must not be zero"; or "unsupported flags (0x10)"
    Meaning("VIR_ERR_INVALID_ARG", errors.DomainCallFailed, "unsupported flags"),
    Meaning("VIR_ERR_INVALID_ARG", errors.InvalidSize),
    # 9: "cannot acquire state change lock (held by ...) due to max_queued limit"
    Meaning("VIR_ERR_OPERATION_FAILED", errors.DomainBusy, BUSY),
    # "unplug of device was rejected by the guest"
    Meaning("VIR_ERR_OPERATION_FAILED", errors.RemovalRejected, "rejected by the guest", VCPUS),
    # "domain is no longer running": its QEMU has ended meanwhile
    Meaning("VIR_ERR_OPERATION_FAILED", errors.DomainNotRunning, "no longer running"),
    Meaning("VIR_ERR_OPERATION_FAILED", errors.AgentUnavailable, calls=AGENT),
    # 42
    Meaning("VIR_ERR_NO_DOMAIN", errors.DomainNotFound),
    # 55: "Unable to change memory of active domain without the balloon device and guest OS balloon
    # driver"; one that is being migrated; "domain is not running", "transient domains do not have
    # any persistent config"
    Meaning("VIR_ERR_OPERATION_INVALID", errors.DomainCallFailed, "balloon"),
    Meaning("VIR_ERR_OPERATION_INVALID", errors.DomainBusy, "migrat"),
    Meaning("VIR_ERR_OPERATION_INVALID", errors.DomainNotRunning),
    # 67: "failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count"; on
    # another call something else that the domain's configuration does not allow
    Meaning("VIR_ERR_CONFIG_UNSUPPORTED", errors.VcpuNotRemovable, calls=VCPUS),
    # 84: "vcpu '3' can't be unplugged"
    Meaning("VIR_ERR_OPERATION_UNSUPPORTED", errors.VcpuNotRemovable, "unplugged", VCPUS),
    Meaning("VIR_ERR_OPERATION_UNSUPPORTED", errors.AgentUnavailable, calls=AGENT),
    # 68: "cannot acquire state change lock (held by monitor=remoteDispatch...)", after 30 s:
    # another call, or a migration, holds the domain, and nothing was begun
    Meaning("VIR_ERR_OPERATION_TIMEOUT", errors.DomainBusy, BUSY),
    # "vcpu unplug request timed out. Unplug result must be manually inspected", after 5 s
    Meaning("VIR_ERR_OPERATION_TIMEOUT", errors.RemovalTimedOut, calls=VCPUS),
    Meaning("VIR_ERR_OPERATION_TIMEOUT", errors.DomainBusy),
    # 74: "QEMU guest agent is not configured"
    Meaning("VIR_ERR_ARGUMENT_UNSUPPORTED", errors.AgentUnavailable, calls=AGENT),
    # 82: "numerical overflow: input too large", a negative memory
    Meaning("VIR_ERR_OVERFLOW", errors.InvalidSize, calls=SIZES),
    # 86: "Guest agent is not responding", "QEMU guest agent is not connected"
    Meaning("VIR_ERR_AGENT_UNRESPONSIVE", errors.AgentUnavailable),
    # 112: "guest agent command timed out"
    Meaning("VIR_ERR_AGENT_COMMAND_TIMEOUT", errors.AgentUnavailable),
    # 113: "Guest agent command failed": it has answered with an error
    Meaning("VIR_ERR_AGENT_COMMAND_FAILED", errors.AgentUnavailable),
)

# Numbers of constants that an older client library lacks while a newer libvirtd sends them.
NUMBERS_OF_NEW: Final[Mapping[str, int]] = {
    "VIR_ERR_AGENT_COMMAND_TIMEOUT": 112,
    "VIR_ERR_AGENT_COMMAND_FAILED": 113,
}
CONSTANTS: Final = tuple(dict.fromkeys(meaning.constant for meaning in MEANINGS))


def error_class(
    constant: str | None, message: str = "", call: Call = Call.OTHER
) -> type[errors.DomainError]:
    """Return the class for a libvirt error; ``DomainCallFailed`` if no row of the table fits.

    :param constant: the name of libvirt's constant for the error's code; None if the table has no
        such constant
    :param message: libvirt's own message
    :param call: the kind of call that failed
    """
    fitting = (one.error for one in MEANINGS if one.fits(constant, message, call))
    return next(fitting, errors.DomainCallFailed)
