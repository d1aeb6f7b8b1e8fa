# SPDX-License-Identifier: Apache-2.0
"""Sizes into a ``<domain>`` and out of it.

``golden/*.in.xml`` is what Nova 34.0.0's LibvirtConfigGuest writes. To write ``golden/*.out.xml``
anew after a wanted change: NOVA_XLOUD_WRITE_GOLDEN=1, and read the difference.
"""

from __future__ import annotations

import os
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from nova_xloud.libvirt.guest_xml import Vcpu, apply_size, kib, read_size

GOLDEN = pathlib.Path(__file__).with_name("golden")
CASES = {
    # name: (vcpus, removable_from, memory_kib)
    "plain": (1, 1, 524288),
    "full": (4, 1, 1048576),
    "one-of-32": (1, 1, 524288),
    "pinned-numa": (3, 2, 1572864),
}


def domain(inner: str) -> etree._Element:
    return etree.fromstring(f"<domain>{inner}</domain>")


def apply_case(name: str) -> etree._Element:
    parser = etree.XMLParser(remove_blank_text=True)
    root = etree.parse(GOLDEN / f"{name}.in.xml", parser).getroot()
    vcpus, removable_from, memory_kib = CASES[name]
    apply_size(root, vcpus=vcpus, removable_from=removable_from, memory_kib=memory_kib)
    return root


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    written = etree.tostring(apply_case(name), pretty_print=True, encoding="unicode")
    golden = GOLDEN / f"{name}.out.xml"
    if os.environ.get("NOVA_XLOUD_WRITE_GOLDEN") == "1":
        golden.write_text(written)
    assert written == golden.read_text()


def test_every_golden_file_has_a_case() -> None:
    stems = {path.name.split(".")[0] for path in GOLDEN.iterdir()}
    assert stems == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_nothing_else_changes(name: str) -> None:
    """Without the new elements the document is Nova's to the byte."""
    root = apply_case(name)
    root.remove(root.find("vcpus"))
    root.remove(root.find("currentMemory"))
    del root.find("vcpu").attrib["current"]
    written = etree.tostring(root, pretty_print=True, encoding="unicode")
    assert written == (GOLDEN / f"{name}.in.xml").read_text()


@pytest.mark.parametrize("name", CASES)
def test_applying_again_changes_nothing(name: str) -> None:
    root = apply_case(name)
    once = etree.tostring(root)
    vcpus, removable_from, memory_kib = CASES[name]
    apply_size(root, vcpus=vcpus, removable_from=removable_from, memory_kib=memory_kib)
    assert etree.tostring(root) == once


@given(st.data())
def test_what_is_applied_is_read_back_and_libvirt_would_take_it(data: st.DataObject) -> None:
    maximum = data.draw(st.integers(1, 64))
    vcpus = data.draw(st.integers(1, maximum))
    removable_from = data.draw(st.integers(0, vcpus))
    max_kib = data.draw(st.integers(1, 2**40))
    memory_kib = data.draw(st.integers(1, max_kib))
    root = domain(f"<memory>{max_kib}</memory><vcpu>{maximum}</vcpu>")
    apply_size(root, vcpus=vcpus, removable_from=removable_from, memory_kib=memory_kib)
    size = read_size(root)
    assert (size.vcpus, size.max_vcpus) == (vcpus, maximum)
    assert (size.memory_kib, size.max_memory_kib) == (memory_kib, max_kib)
    assert size.removable_vcpus == vcpus - max(removable_from, 1)
    # libvirt's rules, as measured.
    assert size.each[0] == Vcpu(enabled=True, hotpluggable=False)
    assert all(vcpu.enabled or vcpu.hotpluggable for vcpu in size.each)
    kinds = [vcpu.hotpluggable for vcpu in size.each]
    assert kinds == sorted(kinds)
    orders = [entry.get("order") for entry in root.iterfind("vcpus/vcpu")]
    assert orders == [str(i + 1) for i in range(vcpus)] + [None] * (maximum - vcpus)


@pytest.mark.parametrize(
    ("vcpus", "removable_from", "memory_kib"),
    [
        (0, 0, 512),
        (5, 1, 512),
        (2, 3, 512),
        (2, -1, 512),
        (2, 1, 0),
        (2, 1, 1025),
    ],
)
def test_a_size_that_libvirt_refuses_or_bends(
    vcpus: int, removable_from: int, memory_kib: int
) -> None:
    root = domain("<memory>1024</memory><vcpu>4</vcpu>")
    before = etree.tostring(root)
    with pytest.raises(ValueError, match="of "):
        apply_size(root, vcpus=vcpus, removable_from=removable_from, memory_kib=memory_kib)
    assert etree.tostring(root) == before


def test_read_without_a_list_as_libvirt_fills_it_in() -> None:
    size = read_size(domain("<memory unit='MiB'>1024</memory><vcpu current='2'>3</vcpu>"))
    there, off = Vcpu(enabled=True, hotpluggable=False), Vcpu(enabled=False, hotpluggable=True)
    assert size.each == (there, there, off)
    assert (size.removable_vcpus, size.memory_kib) == (0, 1024 * 1024)


def test_read_believes_the_list_and_not_current() -> None:
    size = read_size(
        domain(
            "<memory>1024</memory><currentMemory unit='KiB'>512</currentMemory>"
            "<vcpu current='2'>4</vcpu><vcpus>"
            "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
            "<vcpu id='1' enabled='yes' hotpluggable='yes' order='2'/>"
            # libvirt leaves the order of one that it took away.
            "<vcpu id='2' enabled='no' hotpluggable='yes' order='3'/></vcpus>"
        )
    )
    assert (size.max_vcpus, size.vcpus, size.removable_vcpus) == (4, 2, 1)
    assert size.memory_kib == 512


@pytest.mark.parametrize("inner", ["<vcpu>1</vcpu>", "<memory>1024</memory>"])
def test_a_document_that_is_no_guest(inner: str) -> None:
    with pytest.raises(ValueError, match="<domain> has no"):
        read_size(domain(inner))


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("<size>5</size>", 5),
        ("<size unit='KiB'>5</size>", 5),
        ("<size unit='b'>1025</size>", 2),
        ("<size unit='MiB'>2</size>", 2048),
        ("<size unit='G'>1</size>", 1024**2),
        ("<size unit='GB'>1</size>", 976563),
    ],
)
def test_units(element: str, expected: int) -> None:
    assert kib(etree.fromstring(element)) == expected
