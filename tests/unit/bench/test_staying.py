"""Processes that stay."""

import pytest

from tests.bench import staying


def test_a_process_answers_again_and_again_and_keeps_what_it_has():
    with staying.process() as one:
        assert one.call("math:hypot", 3, 4) == 5
        with pytest.raises(RuntimeError, match="ValueError"):
            one.call("math:sqrt", -1)
        assert one.call("os:getpid") == one.call("os:getpid")
        with pytest.raises(RuntimeError, match="has ended"):
            one.call("os:_exit", 3)
