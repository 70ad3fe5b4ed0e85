"""What several of these tests use."""

import json

import pytest


@pytest.fixture
def file(tmp_path):
    """Writes a file, text or bytes or rows as JSON, and returns its path."""

    def write(content, name="file"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write
