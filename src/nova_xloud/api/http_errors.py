# SPDX-License-Identifier: Apache-2.0
"""Turn errors of nova-xloud and Nova into HTTP answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import webob.exc
from nova import exception
from nova.api.openstack import common

from nova_xloud.errors import Forbidden, Invalid, Refused

EXPECTED = (400, 403, 404, 409, 503)


def coded(action: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that turns the errors of a controller's method into HTTP answers.

    A :class:`nova_xloud.errors.Refused`, and Nova's errors of validation and policies, become
    messages that begin with a stable code. A server that is locked or in another state (409), or
    does not exist (404), gets Nova's own message. Any other error is raised as it is.

    :param action: the name of the operation in Nova's own messages
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, req: Any, server_id: str, **kwargs: Any) -> Any:
            try:
                return method(self, req, server_id=server_id, **kwargs)
            except exception.ValidationError as error:
                raise _answer(Invalid(error.format_message())) from error
            except Refused as refusal:
                raise _answer(refusal) from refusal
            except exception.PolicyNotAuthorized as error:
                raise _answer(Forbidden(error.format_message())) from error
            except exception.InstanceIsLocked as error:
                raise webob.exc.HTTPConflict(explanation=error.format_message()) from error
            except exception.InstanceInvalidState as error:
                common.raise_http_conflict_for_instance_invalid_state(error, action, server_id)
            except exception.InstanceNotFound as error:
                raise webob.exc.HTTPNotFound(explanation=error.format_message()) from error

        return call

    return decorate


def _answer(refusal: Refused) -> webob.exc.HTTPException:
    return webob.exc.status_map[refusal.status](explanation=str(refusal))
