# SPDX-License-Identifier: Apache-2.0
"""Tempest tests of a cloud with nova-xloud, as a plugin that Tempest finds by itself.

It needs Tempest and nothing else: neither nova nor nova_xloud is imported here, so it can be
installed where Tempest is and the cloud is not.
"""
