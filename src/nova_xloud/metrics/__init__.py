# SPDX-License-Identifier: Apache-2.0
"""Metrics of nova-compute for Prometheus, which exist only if ``[xloud] metrics_port`` is set.

Only ``service`` is imported without the port: the other modules need prometheus_client.
"""
