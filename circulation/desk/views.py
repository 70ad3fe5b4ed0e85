"""The page at which librarians lend and take back. What it does, it asks of the API; see static/circulation/desk."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from accounts.models import User
from circulation.desk.texts import texts
from library.models import Branch

ASK_AFTER = 60  # seconds without a scan, after which the desk asks whose turn it is
END_AFTER = 120  # and ends the turn, so that nobody's card stays there
UNDO_WITHIN = 600


@require_safe
@ensure_csrf_cookie  # its requests send it
def desk(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    context = admin.site.each_context(request) | {
        "title": _("Desk"),
        "branches": Branch.objects.order_by("name").values_list("name", flat=True),
        "texts": texts(),
        "settings": {
            "csrfCookie": settings.CSRF_COOKIE_NAME,
            "librarian": request.user.get_username(),
            "askAfter": ASK_AFTER,
            "endAfter": END_AFTER,
            "undoWithin": UNDO_WITHIN,
        },
    }
    return TemplateResponse(request, "admin/desk.html", context)
