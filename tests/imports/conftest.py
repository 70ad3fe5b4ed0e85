"""What several of these tests use."""

import pytest

from tests.circulation.conftest import file

__all__ = ["file", "folder"]


@pytest.fixture
def folder(tmp_path):
    def write(name="old", **tables):
        directory = tmp_path / name
        directory.mkdir()
        for table, text in tables.items():
            (directory / f"{table}.csv").write_text(text)
        return directory

    return write
