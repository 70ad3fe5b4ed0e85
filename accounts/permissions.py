"""Who may call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView  # loads this module itself, through the settings


class StaffOrOpenDesk(BasePermission):
    """Staff; and, while OPEN_DESK is on, whoever presents no credential.

    A presented credential always decides: a signed-in account that is not staff is refused even at an open desk.
    So is a page of another site that sends its visitor's browser to the desk.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated:
            return request.user.is_staff
        return settings.OPEN_DESK and request.headers.get("Sec-Fetch-Site") != "cross-site"


class CatalogueReader(StaffOrOpenDesk):
    """Everybody may read the catalogue; changing it is for staff."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in ("GET", "HEAD", "OPTIONS") or super().has_permission(request, view)
