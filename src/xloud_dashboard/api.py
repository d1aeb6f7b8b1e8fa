# SPDX-License-Identifier: Apache-2.0
"""The connection to the cloud, with the token of the user who has asked for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from horizon.utils.memoized import memoized
from keystoneauth1 import session
from keystoneauth1.exceptions import ClientException
from keystoneauth1.token_endpoint import Token
from openstack.connection import Connection
from openstack.exceptions import NotFoundException, SDKException
from openstack_auth import utils as auth_utils
from openstack_dashboard.api import base

from nova_xloud import client
from nova_xloud.client.errors import AdjustmentRefused, ClientError, NotFound

# What a request may end with. Never give one of them to horizon.exceptions.handle: it logs a user
# out for each HttpException of openstacksdk, whatever its status.
ERRORS = (SDKException, ClientException)
# Seconds without a byte of an answer after which a request fails. nova-api waits 20 s for a host.
TIMEOUT = 60


@memoized
def connection(request: Any, service: str = "compute") -> Connection:
    """Return a connection of openstacksdk to one service of the user's region.

    :param service: the type of the service in the catalogue
    :raises horizon.exceptions.ServiceCatalogException: the catalogue does not have the service
    """
    endpoint = base.url_for(request, service)
    return Connection(
        session=session.Session(
            auth=Token(endpoint=endpoint, token=request.user.token.id),
            original_ip=auth_utils.get_client_ip(request),
            verify=verify(),
            timeout=TIMEOUT,
        ),
        region_name=request.user.services_region,
        app_name="xloud_dashboard",
    )


def verify() -> bool | str:
    """Return how Horizon checks certificates: not at all, with the system's CAs, or with a file."""
    return False if settings.OPENSTACK_SSL_NO_VERIFY else settings.OPENSTACK_SSL_CACERT or True


def xloud(request: Any) -> client.Xloud:
    """Return the service of nova-xloud, which asks as the user."""
    return client.connect(connection(request))


def is_missing(error: Exception) -> bool:
    """Return whether an error says that there is no server which the user may see."""
    return isinstance(error, NotFoundException | NotFound)


def server(request: Any, server_id: str) -> Any:
    """Return a server as openstacksdk has it.

    :raises openstack.exceptions.SDKException: there is none that the user may see, or Nova does not
        answer
    """
    return connection(request).compute.get_server(server_id)


@dataclass(frozen=True)
class Problem:
    """An error as a page shows it.

    :ivar message: what happened
    :ivar code: the stable reason code; empty if there is none
    :ivar advice: what to do next; may be empty
    :ivar is_missing: whether there is no server that the user may see
    """

    message: str
    code: str = ""
    advice: str = ""
    is_missing: bool = False

    @staticmethod
    def of(error: Exception) -> Problem:
        """Return ``error``, one of :data:`ERRORS`, as a page shows it."""
        missing = is_missing(error)
        if isinstance(error, AdjustmentRefused):
            return Problem(error.message or "", error.code, error.next_step, missing)
        advice = error.next_step if isinstance(error, ClientError) else ""
        return Problem(str(error), advice=advice, is_missing=missing)
