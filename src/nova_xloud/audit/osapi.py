# SPDX-License-Identifier: Apache-2.0
"""Asks nova-api whether it runs with nova-xloud: over HTTP, because nova-api has no RPC server."""

from __future__ import annotations

from typing import Any

import nova.conf
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exc
from keystoneauth1 import loading as ks_loading
from oslo_config import cfg
from oslo_utils import uuidutils

from nova_xloud.core.checks.services import ApiAnswer, Runs, how_api_runs

CONF = nova.conf.CONF

# Seconds
ANSWER_WITHIN = 10
CATALOGUE = "the URL of the service catalogue"


def compute_api() -> adapter.Adapter:
    """Return a client of nova-api with the credentials that nova.conf has for Placement.

    No request is made here.

    :raises keystoneauth1.exceptions.ClientException: ``[placement]`` names an unknown
        ``auth_type``, or lacks an option that the ``auth_type`` needs
    """
    auth = ks_loading.load_auth_from_conf_options(CONF, "placement")
    session = ks_loading.load_session_from_conf_options(
        CONF, "placement", auth=auth, timeout=ANSWER_WITHIN
    )
    return adapter.Adapter(
        session,
        service_type="compute",
        interface=CONF.placement.valid_interfaces,
        region_name=CONF.placement.region_name,
    )


def ask_api(url: str | None = None) -> ApiAnswer:
    """Ask a nova-api whether it runs with nova-xloud, and return the answer.

    The nova-api is asked for the xloud-status of a server that does not exist. Its response shows
    whether it knows that URL. If the nova-api cannot be asked, ``ApiAnswer.why`` has the error, and
    nothing is raised.

    :param url: URL of the nova-api, such as ``http://10.0.0.11:8774/v2.1``; None: the URL of the
        service catalogue
    """
    uuid = uuidutils.generate_uuid()
    path = f"/servers/{uuid}/xloud-status"
    try:
        answer: Any = compute_api().get(path, raise_exc=False, endpoint_override=url)
    except (ks_exc.ClientException, cfg.Error) as error:
        return ApiAnswer(url or CATALOGUE, Runs.SILENT, f"{type(error).__name__}: {error}")
    runs, why = how_api_runs(answer.status_code, answer.text, uuid)
    return ApiAnswer(answer.url.removesuffix(path), runs, why)
