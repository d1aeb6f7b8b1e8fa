# SPDX-License-Identifier: Apache-2.0
"""The checks of ``nova-xloud-status``, as pure functions of what it has read.

invariants     whether what is held is claimed, instance by instance and host by host
finding        one broken rule or note, with its code and the remedy
upgrade_check  whether a cloud is ready for nova-xloud
services       which of Nova's services and APIs run with nova-xloud, and with which version
"""
