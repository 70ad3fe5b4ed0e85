"""Files in the database, a chunk at a time, so that a large one takes no more memory than a small one."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.db.models import QuerySet

from circulation.jobs.models import Job, JobChunk, JobFile
from events.operations import require_transaction

CHUNK = 256 * 1024  # bytes


def keep(job: Job, role: JobFile.Role, number: int, name: str, content: BinaryIO) -> JobFile:
    """Everything that is left to read of `content`, as a file of the job."""
    file = JobFile.objects.create(job=job, role=role, number=number, name=name)
    while data := content.read(CHUNK):
        append(file, data)
    return file


def append(file: JobFile, data: bytes) -> None:
    """Add to the end of a file, in the transaction of whatever it tells of."""
    require_transaction()
    for start in range(0, len(data), CHUNK):
        part = data[start : start + CHUNK]
        JobChunk.objects.create(file=file, number=file.chunk_count, data=part)
        file.chunk_count += 1
        file.size += len(part)
    file.save(update_fields=["chunk_count", "size"])


def content_of(file: JobFile) -> Iterator[bytes]:
    for number in range(file.chunk_count):
        yield bytes(JobChunk.objects.values_list("data", flat=True).get(file=file, number=number))


def copied(file: JobFile, path: Path) -> Path:
    """The file, on disk."""
    with path.open("xb") as written:
        written.writelines(content_of(file))
    return path


def drop(files: QuerySet[JobFile]) -> None:
    JobChunk.objects.filter(file__in=files).delete()
    files.delete()


class _Outlet(io.RawIOBase):
    """A file that hands out what was written to it, and forgets it."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # nothing else comes
        self._written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data, self._written = b"".join(self._written), []
        return data


def archived(files: Iterable[JobFile], at: datetime) -> Iterator[bytes]:
    """All of them in one zip archive, made as it is read."""
    outlet = _Outlet()
    seen: set[str] = set()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:
        for file in files:
            name = file.name if file.name not in seen else f"{file.number + 1}-{file.name}"
            seen.add(name)
            entry = ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as written:
                for data in content_of(file):
                    written.write(data)
                    yield outlet.taken()
    yield outlet.taken()


def tag_of(files: Iterable[JobFile]) -> str:
    """Changes with what these files hold: ids are never used twice, and files only grow."""
    known = "".join(f"{file.pk}:{file.size};" for file in files)
    return f'"{zlib.crc32(known.encode()):08x}{len(known):x}"'
