# SPDX-License-Identifier: Apache-2.0
"""Turn the errors of nova-xloud and of Nova into HTTP answers of the REST API."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import webob.exc
from nova import exception
from nova.api.openstack import common
from oslo_utils import strutils

from nova_xloud.errors import STATUSES, Forbidden, Invalid, Refused

EXPECTED = STATUSES


def coded(action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that turns the errors of a controller's method into HTTP answers.

    A :class:`nova_xloud.errors.Refused` becomes an answer with its status, whose message begins
    with its stable code. Nova's errors of validation (400) and policies (403) get such a code too.
    If the server is locked, or Nova finds it in a state that does not allow the request (409), or
    if it does not exist (404), the message is Nova's own. Any other error is raised as it is.

    :param action: the name of the operation in Nova's messages
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, req: Any, **kwargs: Any) -> Any:
            try:
                return method(self, req, **kwargs)
            except exception.ValidationError as error:
                # The message repeats the request. Whoever takes this for another API may have
                # sent a password.
                told = strutils.mask_password(error.format_message())
                raise _answer(Invalid(told)) from error
            except Refused as refusal:
                raise _answer(refusal) from refusal
            except exception.PolicyNotAuthorized as error:
                raise _answer(Forbidden(error.format_message())) from error
            except exception.InstanceIsLocked as error:
                raise webob.exc.HTTPConflict(explanation=error.format_message()) from error
            except exception.InstanceInvalidState as error:
                server_id = kwargs["server_id"]
                common.raise_http_conflict_for_instance_invalid_state(error, action, server_id)
            except exception.InstanceNotFound as error:
                raise webob.exc.HTTPNotFound(explanation=error.format_message()) from error

        return call

    return decorate


def _answer(refusal: Refused) -> webob.exc.HTTPException:
    # Nova logs the explanation, which may have text of the request in it: a refusal is one line.
    return webob.exc.status_map[refusal.status](explanation=str(refusal))
