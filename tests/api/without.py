"""Asks the service when what it stands on is away. Run by test_health.py as a process, whose environment says where."""

import json
import logging
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import django
from django.http import HttpResponse

REQUESTS = [
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
    ("GET", "/api/"),
    ("GET", "/api/books/"),
    ("GET", "/api/books/1/"),
    ("GET", "/api/books/1/availability/"),
    ("GET", "/api/loans/"),
    ("POST", "/api/circulation/return/"),
]


def main() -> None:
    django.setup()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # static files are not collected for this
    from django.test import Client

    def said(response: HttpResponse) -> object:
        return response.json() if response["Content-Type"].startswith("application/json") else response.content.decode()

    def ask(request: tuple[str, str]) -> list[object]:
        method, path = request
        body = '{"barcode": "a"}' if method == "POST" else ""
        response = Client(SERVER_NAME="localhost").generic(method, path, body, content_type="application/json")
        return [f"{method} {path}", response.status_code, dict(response.items()), said(response)]

    with ThreadPoolExecutor(len(REQUESTS)) as pool:  # at once: each waits as long as it may for a connection
        json.dump(list(pool.map(ask, REQUESTS)), sys.stdout)


main()
