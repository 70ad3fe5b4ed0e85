"""Who may call the API."""

from django.conf import settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class StaffOrOpenDesk(BasePermission):
    """Staff; and, while OPEN_DESK is on, whoever presents no credential.

    A presented credential always decides: a signed-in account that is not staff is refused even at an open desk.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated:
            return request.user.is_staff
        return settings.OPEN_DESK


class CatalogueReader(StaffOrOpenDesk):
    """Everybody may read the catalogue; changing it is for staff."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in ("GET", "HEAD", "OPTIONS") or super().has_permission(request, view)
