# SPDX-License-Identifier: Apache-2.0
"""What compute hosts have: Nova's list of hypervisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openstack.exceptions import raise_from_response

from nova_xloud.client import Size
from nova_xloud.client.errors import UnreadableAnswer, understood
from nova_xloud.client.values import size, text

PATH = "/os-hypervisors/detail"
# The last one in which Nova tells how large a hypervisor is.
_MICROVERSION = "2.87"


@dataclass(frozen=True)
class Hypervisor:
    """A compute host in Nova's list.

    :ivar has: what is there
    :ivar used: what Nova counts as used, by all servers there and by the host reserve
    """

    has: Size
    used: Size


def sizes(compute: Any, hypervisor: str = "") -> dict[str, Hypervisor] | None:
    """Return what Nova tells of each compute host, by its name; None if the user may not see it.

    Nova answers in pages, each of which is one request.

    :param compute: ``Connection.compute``
    :param hypervisor: only of hypervisors whose host names have this; empty: of all
    :raises openstack.exceptions.SDKException: Nova does not answer, or with an error
    :raises nova_xloud.client.errors.UnreadableAnswer: the answer has another form than Nova's
    """
    found: dict[str, Hypervisor] = {}
    query = {"hypervisor_hostname_pattern": hypervisor} if hypervisor else {}
    markers: set[str | None] = {None}
    while True:
        answer = compute.get(PATH, params=query, microversion=_MICROVERSION)
        if answer.status_code == 403:
            return None
        raise_from_response(answer)
        with understood(PATH):
            body = answer.json()
            for one in body["hypervisors"]:
                has = size(one["vcpus"], one["memory_mb"])
                used = size(one["vcpus_used"], one["memory_mb_used"])
                found[text(one["service"]["host"])] = Hypervisor(has, used)
            links = body.get("hypervisors_links", ())
            following = [one["href"] for one in links if one["rel"] == "next"]
            # The href may name an address of nova-api that Horizon does not reach.
            query = dict(parse_qsl(urlsplit(following[0]).query)) if following else {}
        if not following:
            return found
        if query.get("marker") in markers:
            raise UnreadableAnswer(f"{PATH} links from a page to itself or to one before it")
        markers.add(query.get("marker"))
