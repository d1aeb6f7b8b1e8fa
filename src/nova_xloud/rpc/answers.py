# SPDX-License-Identifier: Apache-2.0
"""Read the answers of RPC calls, which are not believed to be what they should be.

Another version of nova-xloud, a service that is broken, or whoever can write to the message bus may
answer anything. An answer of another form is as good as none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import oslo_messaging as messaging

from nova_xloud.errors import Refused
from nova_xloud.printable import one_line


class UnreadableAnswer(ValueError):
    """An answer has neither a result of the type that is expected nor a refusal."""


def result_of(answer: Any, kind: type[Any], keys: Collection[str] = ()) -> Any:
    """Return the ``result`` of an answer, which has to be of the type ``kind``.

    :param answer: ``{"result": ...}``, or ``{"refused": {"code", "status", "message"}}``
    :param keys: what a result that is a dictionary has to have
    :raises Refused: the answer is a refusal
    :raises UnreadableAnswer: the answer has another form
    """
    if not isinstance(answer, dict):
        raise UnreadableAnswer(f"the answer is a {type(answer).__name__}")
    if "refused" in answer:
        try:
            refusal = Refused.from_wire(answer["refused"])
        except ValueError as error:
            raise UnreadableAnswer(f"the answer is {error}") from error
        raise refusal
    if "result" not in answer or not isinstance(answer["result"], kind):
        raise UnreadableAnswer(f"the answer has no result that is a {kind.__name__}")
    missing = [key for key in keys if key not in answer["result"]]
    if missing:
        raise UnreadableAnswer(f"the answer has no {', '.join(missing)}")
    return answer["result"]


def is_of_other_side(error: Exception) -> bool:
    """Return whether a call failed with an error of the other side, whose text has its traceback.

    Only those of oslo.messaging itself are of this side. An error of Python or of Nova comes over
    the bus as what it is, and any other one as a ``RemoteError``.
    """
    is_of_the_bus = isinstance(error, messaging.MessagingException)
    return isinstance(error, messaging.RemoteError) or not is_of_the_bus


def name_of(error: Exception) -> str:
    """Return the class name of the error on the other side, or else that of ``error``.

    The text of a ``RemoteError`` has the traceback of the other side.
    """
    return one_line(str(getattr(error, "exc_type", None) or type(error).__name__))
