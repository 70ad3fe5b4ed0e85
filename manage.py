#!/usr/bin/env python
"""Django's commands, on the same private servers as `make run` where DATABASE_URL or REDIS_URL are not set."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config import embedded
from config.environment import read_settings
from config.observability import tracing
from events.origins import done_by

LASTING = {"relay_events", "consume_events", "deliver_webhooks"}  # processes of the service
WITHOUT_SERVERS = {"help", "version", "collectstatic", "compilemessages", "makemessages"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if not embedded.is_given("DATABASE_URL"):
        if not embedded.is_given("SECRET_KEY"):
            os.environ["SECRET_KEY"] = embedded.development_secret_key()
        if command == "runserver":
            os.environ.setdefault("DEBUG", "true")
            hosts = {argument.rpartition(":")[0] for argument in sys.argv[2:]}
            if hosts <= {"", "127.0.0.1", "localhost", "[::1]"}:
                os.environ.setdefault("OPEN_DESK", "true")
    if command not in ("help", "version"):
        read_settings()
    if command not in WITHOUT_SERVERS and not {"-h", "--help", "--version"} & set(sys.argv):
        try:
            embedded.ensure_running()
        except embedded.ServerError as error:
            sys.exit(str(error))
    if command in LASTING:
        django.setup()
        tracing.start()
    try:
        with done_by(f"manage.py {command}"):
            execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our lines has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ImproperlyConfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
