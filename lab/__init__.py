"""A whole OpenStack cloud on one machine, for people and for tests.

Keystone, Placement, Glance, Neutron, Nova, RabbitMQ, libvirt and QEMU are all real. Their state is
in one folder, and they listen on loopback addresses only. ``lab/run --help`` lists the commands.
"""
