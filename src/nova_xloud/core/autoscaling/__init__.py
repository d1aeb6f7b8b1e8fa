# SPDX-License-Identifier: Apache-2.0
"""What size an instance should have: need, recommendation, and who gets what on a full host.

Everything here is a pure function on frozen data. The loop in nova-compute, ``nova-xloud-autoscale
replay`` and ``nova-xloud-autoscale backtest`` call the same functions.
"""
