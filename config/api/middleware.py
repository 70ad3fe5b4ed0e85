"""What happens to requests before they are routed."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

SLASHED = ("/api/", "/admin/")


class OptionalSlashMiddleware:
    """Serves `/api/books` as `/api/books/`: for every method, without a redirect that would lose the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.endswith("/") and f"{request.path_info}/".startswith(SLASHED):
            request.path_info += "/"
            request.path += "/"
        return self.get_response(request)
