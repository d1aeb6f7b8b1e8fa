"""Neutron's WSGI application, with SQLAlchemy's mappers configured.

Listing ports uses an attribute that another model adds to Port when the mappers are configured.
That happens at the first query of anything. A server whose first request lists ports, as Nova's
first request does, would answer 500 (seen with Neutron 29.0 and SQLAlchemy 2.0).
"""

from neutron.wsgi.api import application
from sqlalchemy.orm import configure_mappers

configure_mappers()

__all__ = ["application"]
