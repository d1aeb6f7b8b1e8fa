"""What is done in a process of its own."""

import pytest

from tests.bench import apart


def test_what_it_returns_and_what_it_raises_come_back():
    assert apart.run("math:hypot", 3, 4) == 5
    with pytest.raises(RuntimeError, match="math domain error"):
        apart.run("math:sqrt", -1)
    with pytest.raises(RuntimeError, match="stderr says why"):
        apart.run("os:_exit", 3)
