# SPDX-License-Identifier: Apache-2.0
"""Which libvirt error becomes which of ours.

By the constant's name and not its number: Nova's fake libvirt has other numbers on purpose.
Numbers in the comments are libvirt's (virterror.h); the messages were seen on libvirt 9.0 and 11.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nova_xloud import errors

BY_NAME: Final[Mapping[str, type[errors.DomainError]]] = {
    # 8: "requested vcpus is greater than max allowable", "must not be zero"
    "VIR_ERR_INVALID_ARG": errors.InvalidSize,
    # 82: "numerical overflow: input too large", a negative memory
    "VIR_ERR_OVERFLOW": errors.InvalidSize,
    # 42
    "VIR_ERR_NO_DOMAIN": errors.DomainNotFound,
    # 55: "domain is not running", "transient domains do not have any persistent config"
    "VIR_ERR_OPERATION_INVALID": errors.DomainNotRunning,
    # 67: "failed to find appropriate hotpluggable vcpus"
    "VIR_ERR_CONFIG_UNSUPPORTED": errors.VcpuNotRemovable,
    # 68: "vcpu unplug request timed out. Unplug result must be manually inspected"
    "VIR_ERR_OPERATION_TIMEOUT": errors.RemovalTimedOut,
    # 74: no agent configured
    "VIR_ERR_ARGUMENT_UNSUPPORTED": errors.AgentUnavailable,
    # 86: "Guest agent is not responding"
    "VIR_ERR_AGENT_UNRESPONSIVE": errors.AgentUnavailable,
    # 112: "guest agent command timed out"
    "VIR_ERR_AGENT_COMMAND_TIMEOUT": errors.AgentUnavailable,
}

# libvirtd may be newer than the library that we talk to it with, which then lacks the name.
NUMBERS_OF_NEW: Final[Mapping[str, int]] = {"VIR_ERR_AGENT_COMMAND_TIMEOUT": 112}

# These mean what their class says only as the answer to setVcpusFlags. On any other call, 68 is
# "cannot acquire state change lock" (another call holds the domain) and 67 another thing that the
# domain's configuration does not allow.
ONLY_FOR_VCPUS: Final = (errors.VcpuNotRemovable, errors.RemovalTimedOut)


def error_class(name: str | None, *, of_vcpus: bool) -> type[errors.DomainError]:
    """The class for a libvirt error.

    :param name: the constant's name; None when it is not in the table
    :param of_vcpus: setVcpusFlags answered it
    """
    found = BY_NAME.get(name or "", errors.DomainCallFailed)
    return errors.DomainCallFailed if found in ONLY_FOR_VCPUS and not of_vcpus else found
