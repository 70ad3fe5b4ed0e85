import fcntl
import os
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection

from config.ownership import open_private

from . import servers


@pytest.mark.django_db
def test_the_tests_have_servers_of_their_own_with_room_for_races():
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name IN ('max_connections', 'fsync')")
        assert dict(cursor.fetchall()) == {"max_connections": "300", "fsync": "off"}
    home = Path(str(connection.settings_dict["HOST"])).parent
    assert home.name.startswith(servers.PREFIX)
    assert Path(os.environ["LOCAL_DIR"]).parent == home


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process has them to itself")
@pytest.mark.django_db
def test_each_worker_has_its_own_databases(worker_id):
    assert str(connection.settings_dict["NAME"]).endswith(worker_id)
    with cache.client.get_client() as client:
        assert client.connection_pool.connection_kwargs["db"] == int(worker_id.removeprefix("gw")) + 2


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    left, in_use, foreign = tmp_path / "circdesk-tests-a", tmp_path / "circdesk-tests-b", tmp_path / "circdesk-c"
    for directory in (left, in_use, foreign):
        directory.mkdir()
        (directory / "in-use.lock").touch()
    fd = open_private(in_use / "in-use.lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    servers._remove_leftovers(tmp_path)
    os.close(fd)
    assert set(tmp_path.iterdir()) == {in_use, foreign}
