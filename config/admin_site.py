"""The librarian's desk as a site: its pages, and what a browser may do for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

from config.languages import reading


class DeskSite(UnfoldAdminSite):  # type: ignore[misc]  # it has no types
    """The theme's pages under a policy of their own (docs/decisions/0023-admin-theme.md)."""

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        return _under_its_policy(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        page: HttpResponse = _under_its_policy(super().login)(request, extra_context)
        return page

    def get_urls(self) -> list[Any]:
        own = [
            path("find/", self.admin_view(self.find), name="find"),
            path("export/<slug:app>/<slug:model>/", self.admin_view(self.export), name="export"),
        ]
        return [*own, *super().get_urls()]

    # --- Finding ---

    def find(self, request: HttpRequest) -> HttpResponse:
        """Straight to what can only be meant; else a page of what may be."""
        from config.finding import find

        text = request.GET.get("q", "")
        found = find(request, text)
        if len(found) == 1 and found[0].is_exact:
            return HttpResponseRedirect(found[0].link)
        context = {**self.each_context(request), "title": _("Find"), "asked": text, "found": found}
        return TemplateResponse(request, "admin/find.html", context)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """For the theme's palette. Its own search reads every list to its end, and remembers what others may see."""
        from config.finding import find

        text = request.GET.get("s", "")
        if not text.strip():
            return HttpResponse()
        page = Paginator(find(request, text), 100)
        context = {"page_obj": page, "results": page.page(1), "page_counter": 0, "execution_time": 0}
        name = "command_results" if "extended" in request.GET else "search_results"
        headers = {"HX-Trigger": "search"}
        return TemplateResponse(request, f"unfold/helpers/{name}.html", context, headers=headers)

    # --- Files ---

    def export(self, request: HttpRequest, app: str, model: str) -> Any:
        from config.admin_lists import export

        try:
            model_admin = self.get_model_admin(apps.get_model(app, model))
        except (LookupError, NotRegistered) as unknown:
            raise Http404 from unknown
        return export(request, model_admin)


def _refused(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    """A page of the desk rather than the server's, so that one finds back."""
    title = _("Not found") if status == 404 else _("Not allowed")
    context = {**admin.site.each_context(request), "title": title, "sentence": sentence}
    return TemplateResponse(request, "admin/refused.html", context, status=status)


def _under_its_policy(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        request = next(argument for argument in args if isinstance(argument, HttpRequest))
        with reading(request):
            try:
                response = view(*args, **kwargs)
            except Http404:
                response = _refused(request, 404, _("There is nothing at this address, or no longer."))
            except PermissionDenied:
                response = _refused(
                    request, 403, _("Your account may not do this, or nobody may: what the library must know is kept.")
                )
            if isinstance(response, TemplateResponse):
                response.render()  # now, while its language is set
        response.headers.setdefault("Content-Security-Policy", settings.ADMIN_CONTENT_SECURITY_POLICY)
        return response

    return answer
