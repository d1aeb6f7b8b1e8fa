# SPDX-License-Identifier: Apache-2.0
"""The only package that imports libvirt: the few domain calls we use, and guest XML.

``domain``      the :class:`nova_xloud.compute.ports.Domain` port over a libvirt domain
``survey``      all domains of a host in one call
``statistics``  what a guest's own memory statistics say; pure
``guest_xml``   sizes in a ``<domain>`` document, both ways; pure
``error_codes`` which libvirt error becomes which of ours; a table, needs no libvirt
"""
