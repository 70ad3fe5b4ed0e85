"""What was read of a file, set down on disk until the whole file is known to be sound."""

from __future__ import annotations

import pickle
import tempfile

from circulation.imports.formats.rows import Item, Items, Row

_MANY = 200  # written and read together


class Spool:
    """Items in their order, to be read as often as needed. Takes little memory; the file goes with the spool."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="circdesk-")  # noqa: SIM115  # closed by whoever made the spool
        self._waiting: list[Item] = []
        self._length = 0
        self.first_row: Row | None = None

    def __len__(self) -> int:
        return self._length

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was set down."""
        self._file.close()

    def add(self, item: Item) -> None:
        if self.first_row is None and isinstance(item, Row):
            self.first_row = item
        self._length += 1
        self._waiting.append(item)
        if len(self._waiting) == _MANY:
            self._write()

    def __iter__(self) -> Items:
        self._write()
        end = self._file.tell()
        position = 0
        while position < end:
            self._file.seek(position)
            items: list[Item] = pickle.load(self._file)
            position = self._file.tell()
            self._file.seek(end)
            yield from items

    def _write(self) -> None:
        if self._waiting:
            pickle.dump(self._waiting, self._file, pickle.HIGHEST_PROTOCOL)
            self._waiting = []
