# SPDX-License-Identifier: Apache-2.0
"""Bodies of an adjustment that no client would send, each with the answer that it has to have."""

import gzip
import json

INVALID = (400, "xloud.invalid")
# Nova's own layers answer these, and know no codes.
NO_JSON = (400, None)
NO_SERVER = NO_ROUTE = (404, None)
WRONG_TYPE = (415, None)
NO_VERSION = (406, None)
TOO_LARGE = (413, None)
OK = (202, None)

FINE = b'{"current_vcpus": 1}'


def nested(levels, value=b"1"):
    return b'{"current_vcpus": ' + b"[" * levels + value + b"]" * levels + b"}"


ENCODINGS = {
    "utf-16 with a mark": (FINE.decode().encode("utf-16"), INVALID),
    "utf-16 without one": (FINE.decode().encode("utf-16-le"), NO_JSON),
    "utf-32": (FINE.decode().encode("utf-32"), INVALID),
    "utf-16 of the other order": (FINE.decode().encode("utf-16-be"), NO_JSON),
    "utf-32 without a mark": (FINE.decode().encode("utf-32-le"), NO_JSON),
    "utf-8 with a mark": (b"\xef\xbb\xbf" + FINE, NO_JSON),
    "latin-1": (b'{"current_vcpus": "\xe9"}', INVALID),
    "no encoding at all": (b'{"current_vcpus": "\xff\xfe"}', INVALID),
    "utf-8 that is longer than it has to be": (b'{"current_vcpus": "\xc0\xb1"}', INVALID),
    "utf-8 past the last character": (b'{"current_vcpus": "\xf4\x90\x80\x80"}', INVALID),
    "gzip": (gzip.compress(FINE), INVALID),
    "utf-8 cut off": (b'{"current_vcpus": "\xe2\x82', INVALID),
    "utf-8 of a surrogate": (b'{"current_vcpus": "\xed\xa0\x80"}', INVALID),
    "a nul": (b'{"current_vcpus": "1\x00"}', NO_JSON),
    "a nul that is escaped": (b'{"current_vcpus": "1\\u0000"}', INVALID),
    "a surrogate that is escaped": (b'{"current_vcpus": "\\ud800"}', INVALID),
    "a key that is a surrogate": (b'{"\\ud800": 1}', INVALID),
    "a line break after the digits": (b'{"current_vcpus": "1\\n"}', INVALID),
    "a line break that looks like a log": (b'{"current_vcpus": "1\\nERROR [-] forged"}', INVALID),
    "a header in a key": (b'{"a\\r\\nSet-Cookie: b": 1, "current_vcpus": 1}', INVALID),
}
# What int() or float() of Python would take, or another alphabet's digits.
NO_NUMBERS = (
    "1_0", "+1", "-1", "-0", " 1", "1 ", "1\u00a0", "1\u2028", "0x1", "0b1", "1e0", "1.0", "1.",
    "NaN", "inf", "", "\u0661", "\uff11", "\u0967", "\u00b2", "\u2460", "\U0001d7cf", "one",
    "None", "true",
)  # fmt: skip
NUMBERS = {
    "2 to the 31": (b'{"current_vcpus": 2147483648}', INVALID),
    "2 to the 63": (b'{"current_vcpus": 9223372036854775808}', INVALID),
    "2 to the 64": (b'{"current_memory_mb": 18446744073709551616}', INVALID),
    "4,000 digits": (b'{"current_vcpus": ' + b"9" * 4000 + b"}", INVALID),
    "5,000 digits": (b'{"current_vcpus": ' + b"9" * 5000 + b"}", NO_JSON),
    "5,000 digits in a string": (b'{"current_vcpus": "' + b"9" * 5000 + b'"}', INVALID),
    "NaN": (b'{"current_vcpus": NaN}', INVALID),
    "Infinity": (b'{"current_vcpus": Infinity}', INVALID),
    "-Infinity": (b'{"current_memory_mb": -Infinity}', INVALID),
    "1e400": (b'{"current_memory_mb": 1e400}', INVALID),
    "1e0": (b'{"current_vcpus": 1e0}', INVALID),
    "1.0": (b'{"current_vcpus": 1.0}', INVALID),
    "-0": (b'{"current_vcpus": -0}', INVALID),
    "minus 2 to the 63": (b'{"current_vcpus": -9223372036854775808}', INVALID),
    "01": (b'{"current_vcpus": 01}', NO_JSON),
    "0x1": (b'{"current_vcpus": 0x1}', NO_JSON),
    "100,000 digits": (b'{"current_vcpus": ' + b"9" * 100_000 + b"}", NO_JSON),
    "100,000 digits after the point": (b'{"current_vcpus": 1.' + b"0" * 100_000 + b"}", INVALID),
    "an exponent of 50,000 digits": (b'{"current_vcpus": 1e' + b"9" * 50_000 + b"}", INVALID),
    "1e3": (b'{"current_memory_mb": 1e3}', INVALID),
    "1 and a bit": (b'{"current_vcpus": 1.0000000000000000000001}', INVALID),
    **{f"{text!r} in a string": (b'{"current_vcpus": "' + text.encode() + b'"}', INVALID)
       for text in NO_NUMBERS},
    **{f"{value} for a size": (b'{"current_memory_mb": ' + value + b"}", INVALID)
       for value in (b"true", b"false", b"null", b"[]", b"[1024]", b"{}")},
    # Within ten digits.
    "01 in a string": (b'{"current_vcpus": "01"}', OK),
    "ten digits": (b'{"current_vcpus": "0000000001"}', OK),
    "eleven digits": (b'{"current_vcpus": "00000000001"}', INVALID),
}  # fmt: skip
SHAPES = {
    "deep lists": (b"[" * 50_000 + b"]" * 50_000, INVALID),
    "deep lists without an end": (b"[" * 100_000, INVALID),
    "deep objects": (b'{"a":' * 15_000 + b"1" + b"}" * 15_000, INVALID),
    "a value of 21 levels": (nested(21), INVALID),
    "a value of 300 levels": (nested(300), INVALID),
    "a value of 950 levels": (nested(950), INVALID),
    "a value of 30,000 levels": (nested(30_000), INVALID),
    "5,000 keys": (json.dumps({f"k{n}": n for n in range(5000)}).encode(), INVALID),
    "a string of 110,000": (b'{"current_vcpus": 1, "x": "' + b"a" * 110_000 + b'"}', INVALID),
    "a body of 200,000": (b'{"current_vcpus": 1, "x": "' + b"a" * 200_000 + b'"}', TOO_LARGE),
    "something after it": (FINE + b"x", NO_JSON),
    "two of them": (FINE + FINE, NO_JSON),
    "quotes of Python": (b"{'current_vcpus': 1}", NO_JSON),
    "a comment": (b'{"current_vcpus": 1 /* one */}', NO_JSON),
    "spaces only": (b"   ", NO_JSON),
    "nothing": (b"", INVALID),
    **{f"{text!r} and no object": (text, INVALID)
       for text in (b"[]", b"{}", b"1", b'"x"', b"null", b"true", b"NaN", b"[" + FINE + b"]")},
    "a key of 110,000": (b'{"' + b"k" * 110_000 + b'": 1}', INVALID),
    "a key of 1 MB": (b'{"' + b"k" * 1_000_000 + b'": 1}', TOO_LARGE),
    "2,000 lists": (b'{"current_vcpus": 1, "x": ' + b"[" * 2000 + b"]" * 2000 + b"}", INVALID),
    "50,000 numbers": (b'{"current_vcpus": [' + b"1," * 50_000 + b"1]}", INVALID),
    "two actions": (b'{"adjust": {"current_vcpus": 1}, "reboot": {"type": "HARD"}}', INVALID),
    "an action beside it": (b'{"current_vcpus": 1, "reboot": {"type": "HARD"}}', INVALID),
    "arguments of the program": (b'{"current_vcpus": 1, "req": 1, "server_id": "x"}', INVALID),
    "a comma too many": (b'{"current_vcpus": 1,}', NO_JSON),
    "a form": (b"current_vcpus=1", NO_JSON),
    "XML": (b"<current_vcpus>1</current_vcpus>", NO_JSON),
    "a key twice in a value": (b'{"current_vcpus": 1, "x": {"a": 1, "a": 2}}', INVALID),
    "a value with a key twice": (b'{"current_vcpus": {"a": 1, "a": 1}}', INVALID),
    "a key twice, once escaped": (
        b'{"current_vcpus": 1, "current_vcpu\\u0073": 9}', (400, "xloud.out_of_bounds"),
    ),
    # As Nova does with all bodies: the last one counts.
    "a key twice, the last is wrong": (
        b'{"current_vcpus": 1, "current_vcpus": 9}', (400, "xloud.out_of_bounds"),
    ),
    "a key twice, the last is fine": (b'{"current_vcpus": 9, "current_vcpus": 1}', OK),
}  # fmt: skip
BODIES = {**ENCODINGS, **NUMBERS, **SHAPES}
SWITCHES = ("persist", "force", "dry_run")
NOT_A_SWITCH = ("maybe", "", " true", "true\n", "\x00", 1, 0, 2, -1, 0.0, None, [], {}, "y" * 9999)
# null is one: the mode of the flavor.
NOT_A_MODE = (
    *(
        "ON",
        "On",
        " on",
        "on\n",
        "on\x00",
        "\uff4f\uff4e",
        "",
        "true",
        "flavor",
        "dense",
        "o" * 9999,
    ),
    *(True, False, 0, 1, 1.0, [], ["on"], {}, {"mode": "on"}),
)
