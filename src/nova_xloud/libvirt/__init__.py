# SPDX-License-Identifier: Apache-2.0
"""The calls to libvirt, and functions for its documents; only this package imports libvirt.

``domain``         the adapter of the :class:`nova_xloud.compute.ports.Domain` port
``domain_stats``   reads the statistics of all domains of a host in one call
``guest_samples``  reads what the guests of a host use, for automatic growth, in one call
``memory_stats``   interprets the memory statistics of a guest; pure functions
``guest_xml``      writes and reads sizes in a ``<domain>`` document; pure functions
``pinned``         finds what pins a guest's memory in a ``<domain>`` document; a pure function
``error_codes``    maps libvirt's errors to :mod:`nova_xloud.errors`; does not import libvirt
"""
