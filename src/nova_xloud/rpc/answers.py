# SPDX-License-Identifier: Apache-2.0
"""Read the answers of RPC calls, which are not believed to be what they should be.

Another version of nova-xloud, a service that is broken, or whoever can write to the message bus may
answer anything. An answer of another form is as good as none.
"""

from __future__ import annotations

from typing import Any

from nova_xloud.errors import Refused


class UnreadableAnswer(ValueError):
    """An answer has neither a result of the type that is expected nor a refusal."""


def result_of(answer: Any, kind: type[Any]) -> Any:
    """Return the ``result`` of an answer, which has to be of the type ``kind``.

    :param answer: ``{"result": ...}``, or ``{"refused": {"code", "status", "message"}}``
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
    return answer["result"]
