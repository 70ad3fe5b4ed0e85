"""The import page. Each step is an operation that the API has too; the work itself is a worker's."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST, require_safe

from circulation.jobs import services, store
from circulation.jobs.exceptions import JobNotFound
from circulation.jobs.importing import IMPORTABLE
from circulation.jobs.models import Job, JobFile
from circulation.jobs.pages.forms import ImportForm, too_large
from circulation.jobs.pages.showing import Shown, preview_of
from circulation.jobs.services import Upload
from circulation.jobs.telling import Reasons
from events.exceptions import DomainError
from rest.words import in_words

EARLIER = 15  # imports that are listed
AROUND = 64 * 1024  # bytes of a request that are not the files'
Page = Callable[..., HttpResponseBase]


def _page(view: Page) -> Page:
    """For those at the desk who may ask for jobs."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm("circulation.change_job"):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    answer: Page = admin.site.admin_view(shown)
    return answer


def _jobs(request: HttpRequest) -> QuerySet[Job]:
    """As over the API: librarians see what they asked for."""
    user: Any = request.user
    jobs = services.visible(user=user, caller="", is_admin=user.is_superuser, is_key=False)
    return jobs.filter(kind__in=IMPORTABLE)


def _job(request: HttpRequest, job_id: int) -> Job | None:
    return _jobs(request).filter(pk=job_id).first()


def _gone(request: HttpRequest, job_id: int) -> HttpResponse:
    messages.warning(request, str(JobNotFound(job_id)))
    return HttpResponseRedirect(reverse("import"))


def _to(job_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("import-job", args=[job_id]))


def _asker(request: HttpRequest) -> dict[str, Any]:
    return {"asked_by": request.user, "caller": f"user:{request.user.pk}"}


def _drawn(request: HttpRequest, name: str, status: int = 200, **context: Any) -> TemplateResponse:
    return TemplateResponse(request, name, {**admin.site.each_context(request), **context}, status=status)


def _start_page(request: HttpRequest, form: ImportForm, status: int = 200) -> HttpResponse:
    earlier = [Shown(job) for job in _jobs(request).order_by("-pk")[:EARLIER]]
    return _drawn(
        request,
        "circulation/import.html",
        status,
        title=_("Import"),
        form=form,
        earlier=earlier,
        most=settings.IMPORT_MAX_MB,
    )


@_page
def _choose(request: HttpRequest) -> HttpResponseBase:
    """The files, which are kept in the database; a rehearsal of them is what a worker does first."""
    if request.method != "POST":
        return _start_page(request, ImportForm())
    form = ImportForm(request.POST, request.FILES)
    if form.is_valid():
        given = form.cleaned_data
        try:
            job = services.ask_for_import(
                kind=given["kind"],
                files=[Upload(file.name, file) for file in given["file"]],
                source=given["source"],
                columns=given["columns"],
                dry_run=True,
                **_asker(request),
            )
            return _to(job.pk)
        except DomainError as problem:
            form.add_error(None, in_words(str(problem)))
    return _start_page(request, form, 422)


@_page
def _refuse(request: HttpRequest) -> HttpResponseBase:
    form = ImportForm({}, {})
    form.errors.clear()
    form.add_error("file", too_large())
    return _start_page(request, form, 413)


@csrf_exempt  # so that nothing is read of what is too large; the pages themselves are protected
def choose(request: HttpRequest) -> HttpResponseBase:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > settings.IMPORT_MAX_MB * 1_000_000 + AROUND:
        request.method = "GET"  # it asks for nothing any more
        return _refuse(request)
    return _choose(request)


@_page
@require_safe
def follow(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """How far it is; then what a rehearsal found, or what an import did."""
    job = _job(request, job_id)
    if job is None:
        return _gone(request, job_id)
    is_rehearsal = bool(job.options.get("dry_run"))
    return _drawn(
        request,
        "circulation/import_job.html",
        title=_("Import"),
        shown=Shown(job),
        preview=preview_of(job) if is_rehearsal and job.is_over else [],
        same=services.import_of_the_same(job) if is_rehearsal else None,
        following=services.import_after(job) if is_rehearsal else None,
    )


@_page
@require_GET
def state(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """The same for a script, which asks every second."""
    job = _job(request, job_id)
    if job is None:
        return JsonResponse({"is_over": True}, status=404)
    return JsonResponse(Shown(job).progress(), headers={"Cache-Control": "no-store"})


@_page
@require_POST
def start(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Import what was rehearsed."""
    try:
        job = services.import_rehearsed(job_id=job_id, within=_jobs(request), **_asker(request))
    except JobNotFound:
        return _gone(request, job_id)
    except DomainError as problem:
        messages.error(request, in_words(str(problem)))
        return _to(job_id)
    return _to(job.pk)


@_page
@require_POST
def cancel(request: HttpRequest, job_id: int) -> HttpResponseBase:
    try:
        services.cancel(job_id=job_id, within=_jobs(request), at=timezone.now())
    except JobNotFound:
        return _gone(request, job_id)
    except DomainError as problem:
        messages.warning(request, in_words(str(problem)))
    return _to(job_id)


@_page
@require_GET
def reasons(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Every refused row by file and line, with the reason, as CSV."""
    job = _job(request, job_id)
    if job is None:
        return _gone(request, job_id)
    files = job.files.filter(role=JobFile.Role.REASONS)
    head = (",".join(Reasons.NAMES) + "\r\n").encode()
    parts = (part for file in files for part in store.content_of(file))
    name = f"refused-by-import-{job.pk}.csv"
    return StreamingHttpResponse(
        (part for each in ((head,), parts) for part in each),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
