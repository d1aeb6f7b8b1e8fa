# SPDX-License-Identifier: Apache-2.0
"""What ``nova-xloud-status`` decides, from what it has read.

invariants     whether what is held is claimed, instance by instance and host by host
finding        one violation, with its code and the remedy
upgrade_check  whether a cloud is ready for nova-xloud
services       which services run which version of it
"""
