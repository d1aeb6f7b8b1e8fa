# Nova's compute API with nova-xloud, for servers that want a file: mod_wsgi, uWSGI's wsgi-file.
from nova_xloud.wsgi.osapi_compute import application  # noqa: F401
