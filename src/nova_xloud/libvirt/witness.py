# SPDX-License-Identifier: Apache-2.0
"""What the domains of one libvirt have, from outside of nova-compute."""

from __future__ import annotations

import libvirt

from nova_xloud.core.instance.guest import Glimpse
from nova_xloud.errors import DomainCallFailed
from nova_xloud.libvirt.survey import survey


def survey_at(uri: str) -> dict[str, Glimpse]:
    """:func:`survey` over a connection of its own that can only read.

    The definition and the devices of each domain are read too.

    :raises DomainCallFailed: there is no libvirt at ``uri``, or it did not answer
    """
    # libvirt writes every error to stderr besides raising it.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError as error:
        raise DomainCallFailed(f"openReadOnly({uri}): {error}") from error
    try:
        return survey(connection, None)
    finally:
        connection.close()
