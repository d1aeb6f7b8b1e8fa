# SPDX-License-Identifier: Apache-2.0
"""Requests to the API of a cloud in this process, byte for byte, and what every answer has to be.

Other clients would encode, quote or refuse what these tests send.
"""

import contextlib
import json
import logging
import os
import re

import webob
from nova.tests.fixtures.nova import PROJECT_ID

# Headers of a request of an admin, at the newest microversion.
ADMIN = {
    "content-type": "application/json",
    "openstack-api-version": "compute latest",
    "x-auth-user": "admin",
    "x-auth-project-id": PROJECT_ID,
    "x-roles": "reader,member,admin",
}
SERVERS = "/v2.1/os-xloud-servers"
# What only a program says of itself.
_INSIDE = re.compile(r"Traceback|File \"|\.py\b|sqlalchemy|site-packages|line \d+, in")


# Where the numbers of answers are added up, if they are wanted: lines of a status and its code.
COUNTS = os.environ.get("NOVA_XLOUD_FUZZ_COUNTS")


class RawRequests:
    """Sends to ``api_fixture``."""

    def send(self, method, path, body=b"", query="", environ=None, **headers):
        """Send a request; a header that is None is left out.

        Whatever it is, the answer is no 5xx, shows nothing of the program, and nothing of it is an
        error in a log.

        :param path: the octets of the path, each as a character, as WSGI has them
        :param environ: what else is in the request's WSGI environment; None: is not in it
        """
        request = self._request(method, path, body, query, environ, headers)
        with no_errors() as errors:
            answer = request.get_response(self.api_fixture.app())
        asked = (method, path[:80], query[:80], body[:200], headers, environ)
        check_answer(answer.status_int, answer.text, errors, asked)
        count(answer.status_int, refusal_of(answer)[1])
        return answer

    def send_to_nova(self, method, path, body):
        """Send a request to a resource of Nova, whose answer may be anything."""
        octets = json.dumps(body).encode()
        return self._request(method, path, octets, "", None, {}).get_response(
            self.api_fixture.app()
        )

    def _request(self, method, path, body, query, environ, headers):
        named = {**ADMIN, **{name.replace("_", "-"): value for name, value in headers.items()}}
        given = {name: value for name, value in named.items() if value is not None}
        request = webob.Request.blank("/", base_url="http://nova.example.com", method=method)
        request.headers.update(given)
        if "content-type" not in given:
            request.environ.pop("CONTENT_TYPE", None)
        request.environ |= {"PATH_INFO": path, "QUERY_STRING": query}
        if body:
            request.body = body
        for name, value in (environ or {}).items():
            request.environ[name] = value
            if value is None:
                del request.environ[name]
        return request

    def adjust(self, body, server=None, **headers):
        """Ask for an adjustment with a body, which may be bytes or what is written as JSON."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", self.adjust_path(server), octets, **headers)

    def adjust_path(self, server=None):
        return f"/v2.1/os-xloud-adjust/{(server or self.server)['id']}"

    def status_path(self, server=None):
        return f"/v2.1/servers/{(server or self.server)['id']}/xloud-status"

    def history_path(self, server=None):
        return f"/v2.1/servers/{(server or self.server)['id']}/xloud-history"

    def reads(self):
        """The paths of all that is read."""
        return self.status_path(), self.history_path(), SERVERS


def refusal_of(answer):
    """The status of an answer and its code: None for an answer that has none."""
    if answer.status_int < 400 or answer.content_type != "application/json" or not answer.text:
        return answer.status_int, None
    ((_, fault),) = answer.json.items()
    assert fault["code"] == answer.status_int, answer.text
    return answer.status_int, code_of(fault["message"])


def code_of(message):
    """The code that the message of a refusal begins with; None for Nova's own, which have none."""
    code = re.match(r"(xloud\.[a-z_.]+): ", message)
    return code and code[1]


def check_answer(status, text, errors, asked):
    """Check what every answer has to be: no 5xx, nothing of the program, no error in a log."""
    assert status < 500, (asked, text)
    assert not _INSIDE.search(text), (asked, text)
    assert errors == [], (asked, errors)


def count(status, code):
    """Note an answer for the table of docs/contribute/bad-input.md."""
    if COUNTS:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0].partition("::")[2]
        with open(COUNTS, "a") as file:
            file.write(f"{test} {status} {code or '-'}\n")


@contextlib.contextmanager
def no_errors():
    """Yield the list of what is logged as an error meanwhile, which should stay empty."""
    errors = _Errors()
    logging.getLogger().addHandler(errors)
    try:
        yield errors.lines
    finally:
        logging.getLogger().removeHandler(errors)


class _Errors(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines = []

    def emit(self, record):
        # A service's report of itself, in a thread of its own, may come while a test's cloud ends.
        if record.name != "nova.servicegroup.drivers.db":
            self.lines.append(record.getMessage())
