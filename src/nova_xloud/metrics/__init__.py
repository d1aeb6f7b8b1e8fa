# SPDX-License-Identifier: Apache-2.0
"""Metrics of nova-compute for Prometheus, imported only if ``[xloud] metrics_port`` is set."""
