"""What several of these tests use."""

from tests.circulation.conftest import file

__all__ = ["file"]
