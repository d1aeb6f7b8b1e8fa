# SPDX-License-Identifier: Apache-2.0
"""Sizes as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.client import sizes


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("512", 512),
        (" 512 ", 512),
        ("512M", 512),
        ("512m", 512),
        ("512MiB", 512),
        ("512 mib", 512),
        ("2G", 2048),
        ("2GiB", 2048),
        ("1.5G", 1536),
        ("0.75g", 768),
        ("1T", 1048576),
        ("512.0", 512),
    ],
)
def test_memory(text: str, mib: int) -> None:
    assert sizes.memory_mb(text) == mib


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("512.5", ("'512.5' is 512.5 MiB", "512M or 513M")),
        ("0.3G", ("'0.3G' is 307.2 MiB", "307M or 308M")),
        ("1GB", ("'1GB'", "1G or 1GiB")),
        ("512mb", ("'512mb'", "512M or 512MiB")),
        ("512IB", ("'512IB'", "M, G or T")),
        ("1024K", ("'1024K'", "M, G or T")),
        ("0", ("'0' is less than 1 MiB", "at least 1M")),
        ("0.0001G", ("less than 1 MiB",)),
        ("-1", ("'-1' is not a size", "512M", "2G")),
        ("", ("is not a size",)),
        ("big", ("'big' is not a size",)),
        ("1e3", ("'1e3'",)),
        ("1_000", ("'1_000' is not a size",)),
        ("\u0661", ("is not a size",)),
    ],
)
def test_what_is_no_memory_is_told_with_the_way_out(text: str, words: tuple[str, ...]) -> None:
    for word in words:
        with pytest.raises(ValueError, match=re.escape(word)):
            sizes.memory_mb(text)


@given(st.integers(min_value=1, max_value=2**31 - 1))
def test_every_mib_is_itself_in_each_unit(mib: int) -> None:
    assert sizes.memory_mb(f"{mib}") == sizes.memory_mb(f"{mib}MiB") == mib
    assert sizes.memory_mb(f"{mib}G") == mib * 1024


def test_vcpus() -> None:
    assert (sizes.vcpus("3"), sizes.vcpus("012")) == (3, 12)
    for text in ("0", "-1", "1.5", "", "two", "1_0", "\u0663"):
        with pytest.raises(ValueError, match="is not a number of vCPUs"):
            sizes.vcpus(text)
