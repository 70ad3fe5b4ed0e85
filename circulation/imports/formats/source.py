"""A file to import: what its text is encoded in, and how far it has been read."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from circulation.imports.formats.rows import LONGEST, TOO_LONG, FileError

HEAD = 65_536  # bytes that show what kind of file it is
_CHUNK = 1 << 20

# What people pick by mistake. Each begins like this.
_NOT_DATA = {
    b"PK\x03\x04": "is a zip archive or a spreadsheet. Unpack it, or save the sheet as CSV.",
    b"PK\x05\x06": "is an empty zip archive.",
    b"\x1f\x8b": "is compressed. Unpack it with gunzip.",
    b"BZh": "is compressed. Unpack it with bunzip2.",
    b"\xfd7zXZ\0": "is compressed. Unpack it with unxz.",
    b"7z\xbc\xaf": "is a 7z archive. Unpack it.",
    b"%PDF": "is a PDF document.",
    b"\xd0\xcf\x11\xe0": "is an old spreadsheet or document. Save it as CSV.",
    b"SQLite format 3\0": "is an SQLite database. Export its tables as CSV.",
}
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class Source:
    """A file that is there, is readable and is not empty. Raises FileError if not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: BinaryIO | None = None
        self._encoding: str | None = None
        try:
            if path.is_dir():
                raise FileError("is a directory.")
            if not path.is_file() and path.exists():
                raise FileError("is not a regular file.")
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self.head = file.read(HEAD)
        except FileNotFoundError as error:
            raise FileError("does not exist.") from error
        except (OSError, ValueError) as error:
            raise FileError(f"cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        if not self.head.strip(b" \t\r\n"):
            raise FileError("is empty.")
        for beginning, problem in _NOT_DATA.items():
            if self.head.startswith(beginning):
                raise FileError(problem)

    @property
    def position(self) -> int:
        """How many bytes were read, about."""
        return self._opened.tell() if self._opened and not self._opened.closed else self.size

    @property
    def beginning(self) -> str:
        """The first characters, as text."""
        encoding = next((name for mark, name in _MARKS if self.head.startswith(mark)), "utf-8")
        return self.head.decode(encoding, errors="replace")

    @property
    def encoding(self) -> str:
        """What the whole text is in. Raises FileError for what is no text."""
        if self._encoding is None:
            self._encoding = self._find_encoding()
        return self._encoding

    @property
    def is_guessed(self) -> bool:
        """Whether the encoding is only assumed, because the file is not in Unicode."""
        return self.encoding in ("cp1252", "latin-1")

    def binary(self) -> BinaryIO:
        self._opened = self.path.open("rb")
        return self._opened

    def text(self) -> TextIO:
        """The text from its beginning, line breaks as they are."""
        encoding = self.encoding
        return io.TextIOWrapper(self.binary(), encoding=encoding, newline="")

    def lines(self) -> Iterator[str]:
        """Line by line. Raises FileError for one that no table has."""
        with self.text() as text:
            number = 0
            while line := text.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise FileError(f"cannot be read: line {number} {TOO_LONG}.")
                yield line

    def _find_encoding(self) -> str:
        for mark, name in _MARKS:
            if self.head.startswith(mark):
                self._expect(name)
                return name
        if b"\0" in self.head:
            raise FileError("is not a text file.")
        try:
            self._decode("utf-8")
        except UnicodeDecodeError as error:
            # Of control characters Latin-1 texts have no more than others: a picture or a program has.
            if sum(byte < 32 and byte not in b"\t\n\r\f" for byte in self.head) > 0:
                raise FileError("is not a text file.") from error
            try:
                self._decode("cp1252")
            except UnicodeDecodeError:
                return "latin-1"
            return "cp1252"
        return "utf-8"

    def _expect(self, encoding: str) -> None:
        try:
            self._decode(encoding)
        except UnicodeDecodeError as error:
            raise FileError(f"begins like {encoding.removesuffix('-sig').upper()}, but is damaged.") from error

    def _decode(self, encoding: str) -> None:
        decoder = codecs.getincrementaldecoder(encoding)()
        seen = False
        with self.binary() as file:
            while chunk := file.read(_CHUNK):
                text = decoder.decode(chunk)
                seen = seen or bool(text.strip())
                if "\0" in text:
                    raise FileError("is not a text file.")
            decoder.decode(b"", final=True)
        if not seen:
            raise FileError("is empty.")
