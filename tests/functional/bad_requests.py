# SPDX-License-Identifier: Apache-2.0
"""Headers, versions, ids, paths and queries that no client would send, and what they come to."""

from tests.functional.bad_bodies import (
    FINE,
    INVALID,
    NO_JSON,
    NO_VERSION,
    OK,
    TOO_LARGE,
    WRONG_TYPE,
)

CONTENT_TYPES = {
    "application/xml": WRONG_TYPE,
    "text/html": WRONG_TYPE,
    "application/x-www-form-urlencoded": WRONG_TYPE,
    "multipart/form-data; boundary=x": WRONG_TYPE,
    "application/octet-stream": WRONG_TYPE,
    "garbage/\x01": WRONG_TYPE,
    " ": WRONG_TYPE,
    "*/*": WRONG_TYPE,
    "text/json": WRONG_TYPE,
    "application/JSON": WRONG_TYPE,
    "application/json\xff": WRONG_TYPE,
    "application/json, text/html": WRONG_TYPE,
    "application/merge-patch+json": WRONG_TYPE,
    "application/vnd.openstack.compute+xml": WRONG_TYPE,
    # Nova takes these for none, and a body without a type for JSON.
    "": OK,
    "text/plain": OK,
    "text/plain; charset=\xff": OK,
    ";;;": OK,
    "application/json;": OK,
    # Nova reads every body as UTF-8.
    "application/json; charset=utf-16": OK,
    "application/json; charset=none": OK,
    "application/vnd.openstack.compute+json": OK,
}
VERSIONS = {
    "compute 2.0": NO_VERSION,
    "compute 2.9999": NO_VERSION,
    "compute 3.0": NO_VERSION,
    "compute 99999999999999999999.1": NO_VERSION,
    "compute x": NO_JSON,
    "compute 2.-1": NO_JSON,
    "compute 2.1.1": NO_JSON,
    "compute 2.01": NO_JSON,
    "compute LATEST": NO_JSON,
    "compute latest latest": NO_JSON,
    "compute \xd9\xa2.1": NO_JSON,
    "compute 2.1\nx": NO_JSON,
    # The last one counts.
    "compute 2.1, compute 2.9999": NO_VERSION,
    "compute 2.9999, compute 2.1": OK,
    "compute\t2.1": OK,
    # Of another service, or no version: the first one.
    "compute": OK,
    "volume 9.9": OK,
    "x" * 10_000: OK,
    "\xff": OK,
}
# In the header that Nova had before: X-OpenStack-Nova-API-Version.
LEGACY_VERSIONS = {
    "2.0": NO_VERSION,
    "2.9999": NO_VERSION,
    "1.0": NO_VERSION,
    "99999999999999999999.1": NO_VERSION,
    "": NO_JSON,
    "x" * 10_000: NO_JSON,
    "2.": NO_JSON,
    "2.-1": NO_JSON,
    "2.1.1": NO_JSON,
    "\x00": NO_JSON,
    "\xd9\xa2.1": NO_JSON,
    "2.1": OK,
    "latest": OK,
}
NO_IDS = (
    "..", ".", "1", "-1", "0", "null", "9" * 30, "a" * 300, "a" * 70_000, "\x00", "\xff\xfe",
    "a\nb", "'; drop table instances;--", "\xf0\x9f\x92\xa9", "%s%n", "${jndi:ldap://x}", "*", "%",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
# What a server takes off a request, an id has around it or in the middle.
NEAR_IDS = (
    "{}.json", "{} ", "{{{}}}", "{};x=1", "{}\\", "{}%00", "{}\x00", "{}\r\n", "\n{}",
    "%2e%2e%2f{}", "{}%2fx", "urn:uuid:{}", "\xef\xbb\xbf{}",
)  # fmt: skip
NO_PATHS = (
    "/v2.1/os-xloud-adjust",
    "/v2.1/os-xloud-adjust/",
    "/v2.1/os-xloud-adjust/{}/",
    "/v2.1/os-xloud-adjust/{}/x",
    "/v2.1/os-xloud-adjust/../servers/{}",
    "/v2.1/os-xloud-adjust/../os-xloud-adjust/{}",
    "/v2.1/OS-XLOUD-ADJUST/{}",
    "/v2.1/..%2f/os-xloud-adjust/{}",
    "/v2.1/servers/{}/os-xloud-adjust",
    "/v2.1/os-xloud-servers",
    "/v2.1/os-xloud-servers/{}",
    "/v2.1/servers/{}/xloud-history",
)
# With GET.
NO_READS = (
    "/v2.1/os-xloud-servers/", "/v2.1/os-xloud-servers/{}", "/v2.1/os-xloud-servers/detail",
    "/v2.1/OS-XLOUD-SERVERS", "/v2.1/os-xloud-servers.json", "/v2.1/os-xloud-adjust/{}",
    "/v2.1/servers/{}/xloud-history/", "/v2.1/servers/{}/xloud-history/1",
    "/v2.1/servers/{}/XLOUD-HISTORY", "/v2.1/servers/{}/xloud-status/",
    "/v2.1/servers/{}/xloud-status/x", "/v2.1/SERVERS/{}/XLOUD-STATUS",
)  # fmt: skip
# What Host has to be is not checked by Nova, nor by all servers.
NO_HOSTS = ("[", "[::1", "]", "[x]")
ODD_HOSTS = ("", "a b", "\xff", "x:y", "x:99999999", "a/b", "a@b", "a?b", "a#b", "%", "h" * 60_000)
OTHER_HEADERS = [
    {"accept": "application/xml"},
    {"accept": "\x01"},
    {"accept_language": "en-US,\xff"},
    {"accept_language": "x" * 5000},
    {"x_openstack_request_id": "req-1\nforged"},
    {"x_openstack_request_id": "\x1b[31m"},
    {"x_openstack_request_id": "r" * 5000},
    {"x_forwarded_for": "\x00, ::1"},
    {"content_encoding": "gzip"},
    {"transfer_encoding": "chunked"},
    {"expect": "100-continue"},
    {"x_http_method_override": "DELETE"},
    {"x_forwarded_host": "["},
    {"forwarded": "for=\xff"},
    {"cookie": "\xff=\x00; a"},
    {"if_match": "x", "if_none_match": "*", "if_modified_since": "never"},
    {"range": "bytes=-1"},
    {"origin": "\xff", "access_control_request_method": "\xff"},
]
# The answer of a status; an adjustment has no query, and looks at none.
QUERIES = {
    "x=1": 200,
    "x=1&x=2": 200,
    "limit=-1": 200,
    "limit=abc&marker=zzz": 200,
    "server_id=1&req=1&self=1&body=1": 200,
    "dry_run=true&all_tenants=1&project_id=x": 200,
    "&" * 1000: 200,
    "q" * 100_000: 200,
    "x=%00": 200,
    "x[]=1;y": 200,
    "%": 200,
    "x=%ff": 400,
    "%C0%80=1": 400,
    "x=\xff": 400,
}
# Of the list of servers, which knows its parameters; who asks is an admin.
LIST_QUERIES = {
    **{query: 400 for query, status in QUERIES.items() if status == 400},
    **dict.fromkeys(
        (
            "x=1", "limit=1&limit=1", "limit", "limit=", "limit=0", "limit=-1", "limit=1e3",
            "limit=1.0", "limit=+1", "limit=%2B1", "limit=1%0A", "limit=%001", "limit=0x1",
            "limit=1_0", "limit=NaN", "limit=%D9%A1", "limit=%C2%B2", "limit=" + "9" * 20,
            "limit=" + "9" * 100_000, "limit[]=1", "Limit=1", " limit=1", "limit%00=1",
            "marker=x", "marker=", "marker=1", "marker=%00", "marker=..%2f",
            "marker=" + "m" * 70_000, "marker=00000000-0000-0000-0000-000000000000",
            "marker=%F0%9F%92%A9", "host=",
            "host=%00", "host=a%0Ab", "host=%1b[31m", "host=%F0%9F%92%A9", "host=%C3%A9",
            "host=" + "h" * 256, "host=a&host=b", "project_id=%00", "project_id=%0A", "project_id=",
            "project_id=%E2%80%AE", "project_id=" + "p" * 100_000, "project_id=a&project_id=a",
            "project_id=a&all_projects=1", "all_projects=2", "all_projects=", "all_tenants=1",
            "all_projects=true%0A", "converged=maybe", "converged=null", "converged=1&converged=0",
            "deleted=true", "name=x", "sort_key=id", "changes-since=x", "fields=id", "server_id=1",
            "req=1&self=1&body=1", "%00=1", "limit=1;marker=x", "=1", "==", "q" * 100_000,
        ),
        400,
    ),
    **dict.fromkeys(
        (
            "", "&" * 1000, "limit=1", "limit=0000000001", "limit=9999999999", "%6cimit=1",
            "converged=1", "converged=FALSE", "all_projects=yes", "all_projects=no", "host=nobody",
            "host='%3Bdrop table x%3B--", "host=%25", "project_id=" + "f" * 32,
            "project_id=a&all_projects=0",
        ),
        200,
    ),
}  # fmt: skip
# Content-Length (None: none is sent) and what comes, with the answer to an adjustment.
LENGTHS = {
    "shorter than it says": ("100", FINE, INVALID),
    "cut off within the JSON": ("100", FINE[:5], INVALID),
    "nothing of it": ("100", b"", INVALID),
    "longer than it says": (str(len(FINE)), FINE + b"xxx", OK),
    "below zero": ("-1", FINE, INVALID),
    "no number": ("abc", FINE, INVALID),
    "a float": ("1.5", FINE, INVALID),
    "none": (None, FINE, INVALID),
    "nought": ("0", FINE, INVALID),
    "past 64 bits": ("9" * 30, FINE, TOO_LARGE),
    "5,000 digits": ("9" * 5000, FINE, INVALID),
}
