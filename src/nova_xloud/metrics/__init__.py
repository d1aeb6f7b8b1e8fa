# SPDX-License-Identifier: Apache-2.0
"""Metrics of nova-compute for Prometheus, which exist only if ``[xloud] metrics_port`` is set.

If it is not set, only the module ``service`` is imported: the others need prometheus_client.
"""
