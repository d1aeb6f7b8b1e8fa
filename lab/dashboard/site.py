"""Horizon as one WSGI application, which serves its static files too.

It runs in the environment with Horizon. In a cloud a web server would serve these files.
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise

application = WhiteNoise(
    get_wsgi_application(), root=settings.STATIC_ROOT, prefix=settings.STATIC_URL
)
