import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dj_database_url
import psycopg
import pytest
import redis

from config import embedded

from .places import User, directory_open_to_all, environment, postgres_runs, valkey_runs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="what only root has to take care of")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with directory_open_to_all() as directory:
        yield directory / "local"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LOCAL_DIR", str(directory / "local"))
            embedded.clean()


@pytest.fixture
def local_dir(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Used by one test after the other, as by one person: creating a database takes longest."""
    return use(place, monkeypatch)


@pytest.fixture
def fresh_local_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with directory_open_to_all() as directory:
        yield use(directory / "local", monkeypatch)
        embedded.clean()


def use(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LOCAL_DIR", str(place))
    return place


def query(statement: str) -> object:
    with psycopg.connect(embedded.database_url()) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def valkey() -> "redis.Redis[bytes]":
    return redis.Redis.from_url(embedded.redis_url(1))


def test_what_was_stored_is_there_at_the_second_start(local_dir):
    user = User().wait_until_ready()
    query("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 'Zürich' AS place")
    with valkey() as client:
        client.set("kept", "too")
    user.leave()
    assert not postgres_runs()
    assert not valkey_runs()

    user = User().wait_until_ready()
    assert query("SELECT place FROM kept") == "Zürich"
    with valkey() as client:
        assert client.get("kept") == b"too"
    user.leave()


def test_the_servers_listen_on_no_port_and_sort_and_spell_as_unicode(local_dir):
    user = User().wait_until_ready()
    assert query("SHOW listen_addresses") == ""
    assert query("SELECT upper('ß') || lower('ÄÖÜ')") == "ßäöü"
    assert query("SHOW fsync") == "on"
    assert query("SHOW data_checksums") == "on"
    query("CREATE EXTENSION IF NOT EXISTS pg_trgm")  # needs no superuser
    assert query("SELECT similarity('Müller', 'M ller') < 1") is True  # under ctype C an ü is no letter
    with valkey() as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-ttl"}
    user.leave()


def test_the_servers_end_with_the_last_of_their_users(local_dir):
    first, second = User().wait_until_ready(), User().wait_until_ready()
    first.leave()
    assert query("SELECT 1") == 1
    assert valkey_runs()
    second.leave()
    assert not postgres_runs()
    assert not valkey_runs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_user_that_is_told_to_end_still_stops_the_servers(local_dir, number):
    User().wait_until_ready().end_by(number)
    assert not postgres_runs()
    assert not valkey_runs()


def test_servers_that_outlive_a_killed_user_are_taken_over_by_the_next(local_dir):
    User().wait_until_ready().end_by(signal.SIGKILL)
    assert postgres_runs()
    assert valkey_runs()
    started_at = query("SELECT pg_postmaster_start_time()")

    user = User().wait_until_ready()
    assert query("SELECT pg_postmaster_start_time()") == started_at
    user.leave()
    assert not postgres_runs()
    assert not valkey_runs()


def test_killed_servers_start_again_though_another_process_has_their_id(local_dir):
    user = User().wait_until_ready()
    query("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS n")
    home = embedded.home()
    pid_file = home.directory / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    user.end_by(signal.SIGKILL)
    os.kill(int(lines[0]), signal.SIGKILL)
    with valkey() as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    # The same account must run it: PostgreSQL ignores ids of others by itself.
    other = subprocess.Popen(["sleep", "60"], cwd="/", **home.as_account())
    try:
        for stale in (pid_file, home.sockets / ".s.PGSQL.5432.lock"):
            stale.write_text("".join([f"{other.pid}\n", *lines[1:]]))
        user = User().wait_until_ready()
        assert query("SELECT n FROM kept") == 1
        user.leave()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_several_first_starts_at_once_make_one_database(fresh_local_dir):
    users = [User() for _ in range(4)]
    for user in users:
        user.wait_until_ready()
    assert query("SELECT count(*) FROM pg_database WHERE datname = 'circdesk'") == 1
    for user in users:
        user.leave()
    assert not postgres_runs()


def test_a_creation_that_was_interrupted_starts_afresh(fresh_local_dir):
    embedded.home().make()
    unfinished = embedded.home().directory / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    user = User().wait_until_ready()
    assert query("SELECT 1") == 1
    assert not unfinished.exists()
    user.leave()


def test_only_the_server_without_an_address_is_started(local_dir):
    user = User(DATABASE_URL="postgresql://elsewhere/desk").wait_until_ready()
    assert valkey_runs()
    assert not postgres_runs()
    user.leave()


def test_a_server_that_cannot_start_is_one_line_and_leaves_nothing_running(fresh_local_dir):
    User().wait_until_ready().leave()
    data = embedded.home().directory / "postgres"
    (data / "PG_VERSION").write_text("9\n")
    user = User()
    _, errors = user.process.communicate(timeout=30)
    assert user.process.returncode == 1
    assert errors.startswith("PostgreSQL does not start: ")
    assert errors.count("\n") == 1
    assert not valkey_runs()


def test_clean_refuses_while_the_servers_are_in_use_and_then_removes_what_is_ours(fresh_local_dir):
    user = User().wait_until_ready()
    with pytest.raises(embedded.ServerError, match="are in use"):
        embedded.clean()
    user.end_by(signal.SIGKILL)
    (fresh_local_dir / "notes.txt").write_text("not ours")
    embedded.clean()
    assert [path.name for path in fresh_local_dir.iterdir()] == ["notes.txt"]


@as_root
def test_root_changes_no_permission_on_the_way_and_runs_nothing_as_root(monkeypatch):
    with tempfile.TemporaryDirectory() as closed:  # mode 700
        checkout = Path(closed) / "checkout"
        checkout.mkdir(mode=0o750)
        use(checkout / "local", monkeypatch)
        wheel = Path(sys.prefix)
        watched = [checkout, *checkout.parents, wheel, *wheel.parents, Path("/var/tmp")]
        before = [(path, path.stat().st_mode, path.stat().st_uid) for path in watched]

        user = User().wait_until_ready()
        place = embedded.home()
        assert place.directory.parent == Path("/var/tmp")
        assert stat.S_IMODE(place.sockets.stat().st_mode) == 0o700
        with valkey() as client:
            processes = [int(client.info("server")["process_id"])]
        processes.append(int((place.directory / "postgres" / "postmaster.pid").read_text().split()[0]))
        assert 0 not in [Path(f"/proc/{process}").stat().st_uid for process in processes]
        user.leave()

        assert [(path, path.stat().st_mode, path.stat().st_uid) for path in watched] == before
        embedded.clean()
        assert not place.directory.exists()


@as_root
def test_root_in_somebody_elses_checkout_leaves_files_that_they_can_go_on_with(fresh_local_dir):
    os.chown(fresh_local_dir.parent, 65534, 65534)
    User().wait_until_ready().leave()
    embedded.development_secret_key()
    assert {path.stat().st_uid for path in [fresh_local_dir, *fresh_local_dir.iterdir()]} == {65534}


def test_a_place_in_var_tmp_that_is_not_ours_is_refused(monkeypatch):
    with directory_open_to_all() as directory:
        use(directory / "a $HOME of its own", monkeypatch)  # no path for PostgreSQL, so elsewhere
        elsewhere = embedded.home().directory
        elsewhere.symlink_to(directory)
        try:
            with pytest.raises(embedded.ServerError, match="is in the way"):
                embedded.ensure_running()
        finally:
            elsewhere.unlink()
        assert not (directory / "postgres").exists()


@pytest.mark.parametrize("name", ["plain", "My Desk", "Zoë's 100% ?#&@:[/desk]", "long" * 30, "one,two"])
def test_the_addresses_survive_the_parsers_of_urls(monkeypatch, name):
    monkeypatch.setenv("LOCAL_DIR", f"/tmp/{name}")
    sockets = embedded.home().sockets
    assert len(os.fsencode(sockets / ".s.PGSQL.5432")) <= 107

    parsed = dj_database_url.parse(embedded.database_url())
    assert (parsed["HOST"], parsed["USER"], parsed["NAME"]) == (str(sockets), "circdesk", "circdesk")
    assert psycopg.conninfo.conninfo_to_dict(embedded.database_url())["host"] == str(sockets)
    pool = redis.ConnectionPool.from_url(embedded.redis_url(3))
    assert pool.connection_kwargs["path"] == str(sockets / "valkey.sock")
    assert pool.connection_kwargs["db"] == 3


def test_addresses_alone_start_and_make_nothing(fresh_local_dir):
    embedded.database_url()
    embedded.redis_url()
    assert list(fresh_local_dir.parent.iterdir()) == []


def test_processes_that_start_at_once_agree_on_the_secret_key(fresh_local_dir):
    script = "from config import embedded; print(embedded.development_secret_key())"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=embedded.BASE_DIR, env=environment(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    keys = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert len(keys) == 1
    assert len(keys.pop()) == 50
    assert stat.S_IMODE((fresh_local_dir / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in fresh_local_dir.iterdir()] == ["secret-key"]


def test_a_relative_local_dir_is_in_the_checkout_wherever_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCAL_DIR", "data/desk")
    assert embedded.local_dir() == embedded.BASE_DIR / "data" / "desk"
    monkeypatch.delenv("LOCAL_DIR")
    assert embedded.local_dir() == embedded.BASE_DIR / ".local"
