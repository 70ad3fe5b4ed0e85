"""How answers are written."""

from rest_framework.renderers import JSONRenderer


class EnvelopeRenderer(JSONRenderer):
    """JSON as the views made it. Text is UTF-8, not escaped to ASCII."""


class ProblemRenderer(JSONRenderer):
    """Lets clients ask for RFC 9457. Only errors take that form (config/api/errors.py); the rest is JSON as ever."""

    media_type = "application/problem+json"
    format = "problem"


FILE = "application/octet-stream"


class FileRenderer(JSONRenderer):
    """Lets clients ask for a file as such. What is no file, an error, is JSON as ever."""

    media_type = FILE
    format = "file"
