"""What a service knows of the rows that it has from the other one."""

from django.db import models


class Received(models.Model):
    """The version of a row that was taken over last: the id of the event that told of it, at the other service."""

    table = models.CharField(max_length=20)
    row = models.BigIntegerField()
    version = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "row"], name="one_version_per_row")]

    def __str__(self) -> str:
        return f"{self.table} {self.row} at {self.version}"


class Snapshot(models.Model):
    """How far this service has come with taking over all that the other one owns. One row."""

    token = models.CharField(max_length=32, help_text="Names this one; an earlier one's pages are not taken.")
    cursor = models.JSONField(null=True, help_text="The table and the id after which the next page begins.")
    rows = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.rows} rows" + (", complete" if self.finished_at else "")
