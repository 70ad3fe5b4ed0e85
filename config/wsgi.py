"""The WSGI application that the web server runs."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from config.environment import read_settings
from config.observability import tracing
from config.requests import InUtf8


class Utf8Request(InUtf8, WSGIRequest):
    pass


class Handler(WSGIHandler):
    request_class = Utf8Request


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
read_settings()
django.setup(set_prefix=False)
tracing.start()
application = Handler()
