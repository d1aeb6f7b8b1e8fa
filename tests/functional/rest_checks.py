# SPDX-License-Identifier: Apache-2.0
"""What the tests in ``gabbits/`` can say of an answer, beside what gabbi itself knows.

``response_refusal: xloud.quota``
    The body is Nova's error of that status, and its message begins with this code and a colon.
    ``response_refusal: without a code`` is a refusal of Nova's own, ``no route`` one of the layer
    that finds no resource for the request.
``response_shape``
    The body has exactly these keys, and their values are of these types: ``integer``, ``string``,
    ``boolean``, ``null``. A list of one shape is a list with at least one member, all of them such;
    ``[]`` is an empty list. The key ``...`` stands for any others.
"""

from gabbi.handlers import base

from nova_xloud.api.openapi import FAULTS
from tests.functional.raw_requests import code_of

WITHOUT_CODE = "without a code"
NO_ROUTE = "no route"
OTHERS = "..."
TYPES = {"integer": int, "string": str, "boolean": bool, "null": type(None)}


class Answered(base.ResponseHandler):
    """Notes the names of the requests that were answered, and with which status."""

    test_key_suffix = "answered"
    test_key_value = ""

    def __init__(self, statuses):
        super().__init__()
        self._statuses = statuses

    def __call__(self, test):
        self._statuses[test.test_data["name"]] = int(test.response["status"])


class Refusal(base.ResponseHandler):
    test_key_suffix = "refusal"
    test_key_value = ""

    def __call__(self, test):
        expected = test.test_data[self._key]
        if expected:
            status = int(test.response["status"])
            test.assertEqual(expected, _refusal(test.response_data, status), test.output)


def _refusal(body, status):
    if body is None:
        return NO_ROUTE
    assert list(body) == [FAULTS[status]], body
    fault = body[FAULTS[status]]
    assert fault["code"] == status, body
    return code_of(fault["message"]) or WITHOUT_CODE


class Shape(base.ResponseHandler):
    test_key_suffix = "shape"
    test_key_value = {}

    def __call__(self, test):
        expected = test.test_data[self._key]
        if expected:
            test.assertEqual([], list(_misfits(expected, test.response_data, "$")), test.output)


def _misfits(shape, value, path):
    if isinstance(shape, str):
        # In Python a boolean is an integer.
        if type(value) is not TYPES[shape]:
            yield f"{path} is {value!r} and not of type {shape}"
    elif isinstance(shape, list):
        yield from _misfits_of_list(shape, value, path)
    elif not isinstance(value, dict):
        yield f"{path} is no object"
    else:
        named = shape.keys() - {OTHERS}
        if missing := named - value.keys():
            yield f"{path} lacks {', '.join(sorted(missing))}"
        if (more := value.keys() - named) and OTHERS not in shape:
            yield f"{path} has {', '.join(sorted(more))} too"
        for key in named & value.keys():
            yield from _misfits(shape[key], value[key], f"{path}.{key}")


def _misfits_of_list(shape, value, path):
    if not isinstance(value, list):
        yield f"{path} is no list"
    elif bool(shape) != bool(value):
        yield f"{path} has {len(value)} members"
    else:
        for number, member in enumerate(value):
            yield from _misfits(shape[0], member, f"{path}[{number}]")


def leaves(shape, path=()):
    """Each ``(path, type)`` that a shape names; what is in a list has the path of the list."""
    if isinstance(shape, str):
        yield path, shape
    elif isinstance(shape, list):
        for member in shape:
            yield from leaves(member, path)
    else:
        for key, inner in shape.items():
            yield from leaves(inner, (*path, key))


def leaves_of_schema(schema, path=()):
    """The same of a JSON schema."""
    types = schema.get("type", [])
    for one in [types] if isinstance(types, str) else types:
        if one == "object":
            for key, inner in schema["properties"].items():
                yield from leaves_of_schema(inner, (*path, key))
            if schema["additionalProperties"]:
                yield (*path, OTHERS), "string"
        elif one == "array":
            yield from leaves_of_schema(schema["items"], path)
        else:
            yield path, one
