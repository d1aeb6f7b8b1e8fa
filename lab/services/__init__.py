"""The cloud's services, one module each, and modules that several of them use.

The module of a service has ``configure(layout)``, which writes the service's files, and
``daemons(layout)``, which returns its daemons. If the service has a database, the module also has
``create_database(layout)``, which does nothing if that was done for this release of the service.
"""
