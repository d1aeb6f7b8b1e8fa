# SPDX-License-Identifier: Apache-2.0
"""Refuse the bodies that Nova's ``wsgi.Resource`` would answer with 500.

Nova reads a body to its end, decodes it as UTF-8, and parses it as JSON by recursion, and expects
none of this to fail. This is true of all resources of Nova; here it is mended for those of
nova-xloud.

Under ``/v2`` Nova drops the keys that a schema does not know. For an adjustment that would mean
that one with a misspelt ``dry_run`` is carried out, so unknown keys are refused there as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import webob.dec
import webob.exc
from nova.api.openstack import wsgi

from nova_xloud.errors import Invalid

# How deep lists and objects may be in each other. A valid body is one object with nothing in it
# that is nested; Nova's messages show what is invalid, so there is some room.
DEEPEST = 20

Application = Callable[..., Any]


def checked(resource: Any) -> Application:
    """Return a WSGI application that checks the body of a request, and then calls ``resource``.

    A request whose body cannot be read, is not UTF-8, or is nested more than :data:`DEEPEST` deep
    is answered with 400 and the code ``xloud.invalid``. Under ``/v2`` Nova is kept from dropping
    keys that the schema does not know.

    :param resource: ``nova.api.openstack.wsgi.Resource``
    """

    @webob.dec.wsgify(RequestClass=wsgi.Request)
    def application(req: Any) -> Any:
        req.environ.pop(wsgi.ENV_LEGACY_V2, None)
        problem = _problem(req)
        if problem is None:
            return resource
        return wsgi.Fault(webob.exc.HTTPBadRequest(explanation=str(Invalid(problem))))

    # Nova's own tests look for the controller of each resource.
    application.controller = resource.controller
    made: Application = application
    return made


def _problem(req: Any) -> str | None:
    """Return why the request is refused, for people.

    :returns: None if the body can be read, or if it is no JSON, which Nova itself answers
    """
    try:
        text = req.body.decode()
    except OSError:
        # The servers that run nova-api differ in the error and its text.
        return "the body ended before its Content-Length, or could not be read"
    except UnicodeDecodeError as error:
        return f"the body is not UTF-8: {error.reason} at byte {error.start}"
    try:
        is_deep = _is_deeper_than(DEEPEST, json.loads(text))
    except ValueError:
        # No JSON, or no body: Nova answers that.
        return None
    except RecursionError:
        is_deep = True
    if is_deep:
        return f"the body has lists or objects that are nested more than {DEEPEST} deep"
    return None


def _is_deeper_than(most: int, value: Any) -> bool:
    level = [value]
    for _ in range(most + 1):
        if not level:
            return False
        level = [inner for one in level for inner in _members(one)]
    return bool(level)


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
