"""What may stand in a path."""

from django.urls.converters import IntConverter, StringConverter

from library.models import BARCODE


class Id(IntConverter):
    """An id: as many digits as PostgreSQL's bigint surely holds."""

    regex = "[0-9]{1,18}"


class BarcodeInPath(StringConverter):
    """A copy's barcode."""

    regex = BARCODE
