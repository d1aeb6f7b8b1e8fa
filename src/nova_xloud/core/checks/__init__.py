# SPDX-License-Identifier: Apache-2.0
"""The checks of ``nova-xloud-status``, as pure functions of what it has read.

invariants     whether the rules hold for every elastic instance and every host
finding        the table of the rules; one broken rule or note, with its code
upgrade_check  whether a cloud is ready for nova-xloud
autoscale      whether automatic growth can work in a cloud, where anything asks for it
services       which of Nova's services and APIs run with nova-xloud, and with which version
"""
