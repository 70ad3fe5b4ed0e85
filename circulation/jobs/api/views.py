"""Jobs over HTTP: how far they are, what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, QuerySet
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role, Scope
from circulation.jobs import services, store
from circulation.jobs.api.serializers import JobOut, JobQuery
from circulation.jobs.exceptions import JobNotFound
from circulation.jobs.models import Job, JobFile
from library.api.operations import OperationView
from reservations.api.serializers import NoInput
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.rendering import FILE, EnvelopeRenderer, FileRenderer, ProblemRenderer
from rest.schema import endpoint, page_of, page_query
from rest.serializers import shown, written

ORDERINGS: Orderings = {"id": F("pk"), "created_at": F("created_at")}
OWN = "Admins see everybody's jobs, librarians their own, an API key those that it asked for."


class JobView(OperationView):
    tag = "jobs"

    def jobs(self) -> QuerySet[Job]:
        """Those that there are for this caller."""
        caller = self.caller
        is_admin = caller.role >= Role.ADMIN and (caller.key is None or caller.key.allows(Scope.ADMIN))
        return services.visible(user=caller.user, caller=caller.name, is_admin=is_admin, is_key=caller.key is not None)

    def job(self, job_id: int) -> Job:
        found = self.jobs().filter(pk=job_id).first()
        if found is None:
            raise JobNotFound(job_id)
        return found


class JobList(JobView):
    @endpoint(
        name="jobs_list",
        summary="List jobs",
        description=f"The newest first. {OWN}",
        query=[JobQuery, *page_query(ORDERINGS, "-id")],
        answers={200: page_of(JobOut)},
    )
    def get(self, request: Request) -> Answer:
        jobs = self.jobs().filter(**self.query(JobQuery))
        page = paginate(jobs, PageRequest.of(request, ORDERINGS, "-id"), ORDERINGS)
        return Answer(page_data(request, page.next, page.previous, page.count, written(JobOut, page.rows)))


class JobDetail(JobView):
    @endpoint(
        name="jobs_read",
        summary="How far a job is, and what came of it",
        description=OWN,
        answers={200: JobOut},
        refusals=["NOT_FOUND"],
    )
    def get(self, request: Request, job_id: int) -> Answer:
        return Answer(shown(JobOut, self.job(job_id)))


class JobCancel(JobView):
    @endpoint(
        name="jobs_cancel",
        summary="Cancel a job",
        description="It ends with the batch that is under way. What went in stays, and the job says how much it was.",
        request=NoInput,
        answers={200: JobOut},
        refusals=["NOT_FOUND", "INVALID_TRANSITION"],
        keyed=True,
        example={},
    )
    def post(self, request: Request, job_id: int) -> HttpResponseBase:
        self.parsed(NoInput)
        return self.perform(
            services.cancel,
            lambda job: Answer(shown(JobOut, job), _cancelled(job)),
            would="cancel",
            job_id=job_id,
            within=self.jobs(),
            at=timezone.now(),
        )


def _cancelled(job: Job) -> str:
    return f"Job {job.pk} is cancelled." if job.is_over else f"Job {job.pk} ends with the batch that is under way."


class FileView(JobView):
    is_bare = True
    renderer_classes = [EnvelopeRenderer, ProblemRenderer, FileRenderer]

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: object, **kwargs: object
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(final, Response) and isinstance(final.accepted_renderer, FileRenderer):
            final.content_type = "application/json"
        return final

    def sent(self, job: Job, files: Sequence[JobFile], name: str) -> HttpResponseBase:
        """One file as it is, several in an archive of this name; nothing if the client has it."""
        response: Any
        if len(files) == 1:
            name = files[0].name
            response = StreamingHttpResponse(store.content_of(files[0]), content_type=FILE)
            response["Content-Length"] = str(files[0].size)
        else:
            response = StreamingHttpResponse(store.archived(files, job.created_at), content_type=FILE)
        response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        response["ETag"] = tag = store.tag_of(files)
        return get_conditional_response(self.request._request, etag=tag, response=response) or response


class JobResult(FileView):
    @endpoint(
        name="jobs_result",
        summary="What a job exported",
        description=f"One file as it is, several in a zip archive. {OWN}",
        answers={200: None},
        file="PK\x03\x04",
        refusals=["NOT_FOUND"],
    )
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        job = self.job(job_id)
        return self.sent(job, services.result_of(job), f"circdesk-{job.created_at:%Y-%m-%d}.zip")


class JobErrors(FileView):
    @endpoint(
        name="jobs_errors",
        summary="The rows that an import refused",
        description=(
            "In the form of the file that they came in, each with the reason where the form has a place for it: to be "
            f"mended, and imported again. Of several files, in a zip archive. {OWN}"
        ),
        answers={200: None},
        file="name,email,source,refused_because\nAda,ada.org,members,'ada.org' is not an e-mail address.\n",
        refusals=["NOT_FOUND"],
    )
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        job = self.job(job_id)
        return self.sent(job, services.errors_of(job), f"refused-by-job-{job.pk}.zip")
