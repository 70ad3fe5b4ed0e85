"""Files to send."""

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.api.asking import data_of


def file(text, name="books.csv"):
    return SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())


def titles(count, start=1):
    return "id,title,author\n" + "".join(f"{n},Title number {n},Author {n % 97}\n" for n in range(start, start + count))


def send(client, *files, kind="books", **fields):
    return client.post("/api/imports/", {"file": list(files), "kind": kind} | fields, format="multipart")


def sent(client, *files, **fields):
    """The number of the job."""
    return data_of(send(client, *files, **fields), 202)["id"]
