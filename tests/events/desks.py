"""An operation to try things on, and somebody else who is at work meanwhile."""

import psycopg
from django.db import connection

from events.operations import operation
from library.models import Member


@operation
def rename(member: Member, name: str) -> str:
    """Give a member another name."""
    Member.objects.filter(pk=member.pk).update(first_name=name)
    return name


def name_of(member: Member) -> str:
    return Member.objects.get(pk=member.pk).first_name


class OtherDesk:
    """Statements in a transaction on a connection of its own."""

    def __init__(self):
        parameters = connection.get_connection_params()
        self.connection = psycopg.connect(
            **{name: parameters[name] for name in ("host", "port", "user", "dbname", "password") if name in parameters}
        )

    def __enter__(self):
        return self

    def execute(self, sql: str, *values) -> None:
        self.connection.execute(sql, values)

    def commit(self) -> None:
        self.connection.commit()

    def __exit__(self, *_) -> None:
        self.connection.close()
