# SPDX-License-Identifier: Apache-2.0
"""What the tests in ``gabbits/`` can say of an answer, beside what gabbi itself knows.

``response_refusal: xloud.quota``
    The body is Nova's error of that status, and its message begins with this code and a colon.
    ``response_refusal: without a code`` is a refusal of Nova's own, ``no route`` one of the layer
    that finds no resource for the request.
``response_shape``
    The body has exactly these keys, and their values are of these types: ``integer``, ``string``,
    ``boolean``, ``null``. A list of one shape is a list of any length with such members. The key
    ``...`` stands for any others.
"""

import re

from gabbi.handlers import base

from nova_xloud.api.openapi import FAULTS

WITHOUT_CODE = "without a code"
NO_ROUTE = "no route"
OTHERS = "..."
TYPES = {"integer": int, "string": str, "boolean": bool, "null": type(None)}


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
    code = re.match(r"(xloud\.[a-z_.]+): ", fault["message"])
    return code[1] if code else WITHOUT_CODE


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
        if not isinstance(value, list):
            yield f"{path} is no list"
            return
        for number, member in enumerate(value):
            yield from _misfits(shape[0], member, f"{path}[{number}]")
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


def leaves(shape, path=()):
    """Each ``(path, type)`` that a shape names; what is in a list has the path of the list."""
    if isinstance(shape, str):
        yield path, shape
    elif isinstance(shape, list):
        yield from leaves(shape[0], path)
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
