# SPDX-License-Identifier: Apache-2.0
"""nova-compute as a Prometheus target; imported only where ``[xloud] metrics_port`` is set."""
