"""A whole real OpenStack cloud on one machine, for people and for tests.

Keystone, Placement, Glance, Neutron's place, Nova, RabbitMQ, libvirt and QEMU, all of them real,
all of them below one folder and on 127.0.0.1. ``lab/run --help`` says how to drive it.
"""
