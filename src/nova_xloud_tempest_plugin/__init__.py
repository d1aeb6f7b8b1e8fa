# SPDX-License-Identifier: Apache-2.0
"""Tempest tests of a cloud with nova-xloud, as a plugin that Tempest finds by its entry point.

The plugin needs nothing but Tempest. It imports neither nova nor nova_xloud, so it can be installed
on a machine that has Tempest and no part of the cloud.
"""
