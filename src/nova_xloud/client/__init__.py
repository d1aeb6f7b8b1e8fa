# SPDX-License-Identifier: Apache-2.0
"""The client of nova-xloud: a service of openstacksdk, and commands of ``openstack``.

::

    import openstack
    from nova_xloud import client

    xloud = client.connect(openstack.connect(cloud="mine"))
    adjustment = xloud.adjust("web1", vcpus=3, memory_mb=768)
    status = xloud.wait_for_adjustment(adjustment)

The client does not need Nova, and imports nothing of nova-xloud that needs Nova. The guide is
docs/client.md.
"""

from __future__ import annotations

from nova_xloud.client import errors
from nova_xloud.client.recorded import PastAdjustment, RecordedServer
from nova_xloud.client.resources import (
    Adjustment,
    Blocker,
    FourNumbers,
    Listed,
    Plan,
    Refusal,
    Status,
)
from nova_xloud.client.service import Xloud, XloudService, add_to, connect
from nova_xloud.client.waiting import Progress, Stage
from nova_xloud.core.instance.lifecycle import Condition
from nova_xloud.core.size import Size

__all__ = [
    "Adjustment",
    "Blocker",
    "Condition",
    "FourNumbers",
    "Listed",
    "PastAdjustment",
    "Plan",
    "Progress",
    "RecordedServer",
    "Refusal",
    "Size",
    "Stage",
    "Status",
    "Xloud",
    "XloudService",
    "add_to",
    "connect",
    "errors",
]
