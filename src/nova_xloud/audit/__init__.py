# SPDX-License-Identifier: Apache-2.0
"""Checks of a whole cloud, made from outside of Nova's services without changing anything.

The invariants are the rules of :mod:`nova_xloud.core.checks.finding`. The main one: Placement has
allocated to each elastic instance at least what its guest holds.

Modules that check whether the invariants hold:

``aside``       calls to many hosts at the same time, in threads
``cells``       Nova's databases, and which of them cannot be read
``cloud``       the instances and hosts in the databases, and Placement
``guests``      what the guests hold, from their libvirt or from nova-compute
``views``       the data of elastic instances that the rules need
``invariants``  the check itself, which checks again what seems to be broken
``report``      the outcome of a check, as text and as JSON

Modules that check whether a cloud is ready for nova-xloud:

``services``       the records of Nova's services, and the services' answers over RPC
``osapi``          the answer of nova-api over HTTP
``upgrade_check``  the data of each check; :mod:`nova_xloud.core.checks` judges the data
"""
