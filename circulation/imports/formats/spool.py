"""What was read of a file, set down on disk until the whole file is known to be sound."""

from __future__ import annotations

import pickle  # nosec B403  # of a file of our own
import tempfile

from circulation.imports.formats.rows import Item, Items, Row

_MOST_NAMES = 2000  # that are kept; no table has as many
_MANY = 200  # written and read together


class Spool:
    """Items in their order, to be read as often as needed. Takes little memory; the file goes with the spool."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="circdesk-")  # noqa: SIM115  # closed by whoever made the spool
        self._waiting: list[Item] = []
        self._length = 0
        self._names: dict[str | None, dict[str, None]] = {}

    @property
    def tables(self) -> list[str | None]:
        """Those that rows are of, in their order; None where the format has no tables."""
        return list(self._names)

    def names(self, table: str | None) -> tuple[str, ...]:
        """The names of all columns that rows of a table have, in their order."""
        return tuple(self._names.get(table, ()))

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
        if isinstance(item, Row):
            names = self._names.setdefault(item.table, {})
            if len(names) < _MOST_NAMES:
                names.update(dict.fromkeys(item.names))
        self._length += 1
        self._waiting.append(item)
        if len(self._waiting) == _MANY:
            self.flush()

    def __iter__(self) -> Items:
        self.flush()
        end = self._file.tell()
        position = 0
        while position < end:
            self._file.seek(position)
            items: list[Item] = pickle.load(self._file)  # nosec B301  # written above, to a file without a name
            position = self._file.tell()
            self._file.seek(end)
            yield from items

    def flush(self) -> None:
        """Set down what waits in memory. Raises RecursionError for a value that is nested too deeply."""
        if self._waiting:
            pickle.dump(self._waiting, self._file, pickle.HIGHEST_PROTOCOL)
            self._waiting = []
