#!/usr/bin/env python
"""Django's commands, on the same private servers as `make run` where DATABASE_URL or REDIS_URL are not set."""

import os
import sys

from django.core.management import execute_from_command_line

from config import embedded

WITHOUT_SERVERS = {"help", "version", "collectstatic", "compilemessages", "makemessages"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if not os.environ.get("DATABASE_URL"):
        if not os.environ.get("SECRET_KEY"):
            os.environ["SECRET_KEY"] = embedded.development_secret_key()
        if command == "runserver":
            os.environ.setdefault("DEBUG", "true")
            hosts = {argument.rpartition(":")[0] for argument in sys.argv[2:]}
            if hosts <= {"", "127.0.0.1", "localhost", "[::1]"}:
                os.environ.setdefault("OPEN_DESK", "true")
    if command not in WITHOUT_SERVERS and not {"-h", "--help", "--version"} & set(sys.argv):
        try:
            embedded.ensure_running()
        except embedded.ServerError as error:
            sys.exit(str(error))
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads our lines has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
