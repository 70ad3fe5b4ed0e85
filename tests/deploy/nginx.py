"""The nginx of deploy/nginx, run from those very files: only addresses and directories are others."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tests.config.test_run import free_port

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "nginx"
PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
PATIENCE = 20  # seconds


class Nginx:
    def __init__(self, directory, upstreams, *, tls=None, instead=()):
        """`upstreams` says where web-1, web-2 and live are; `tls`: a certificate, a key; `instead`: other changes."""
        self.directory = directory
        self.port, self.tls_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        shutil.copytree(FILES, directory / "conf")
        conf = directory / "conf"
        if tls:
            (conf / "servers" / "http.conf").unlink()
            (conf / "tls" / "https.conf").rename(conf / "servers" / "https.conf")
        instead = {
            "/run/circdesk": str(directory / "run"),
            "/var/cache/nginx": str(directory / "cache"),
            "/dev/stderr": str(directory / "errors.log"),
            "/dev/stdout": str(directory / "requests.log"),
            "listen 8080;": f"listen 127.0.0.1:{self.port};",
            **{f"server {name}:8000 ": f"server {address} " for name, address in upstreams.items()},
            **dict(instead),
        }
        if tls:
            instead |= {"/run/secrets/": f"{directory}/", "listen 8443 ": f"listen 127.0.0.1:{self.tls_port} "}
            for name, text in zip(("certificate", "certificate_key"), tls, strict=True):
                (directory / name).write_text(text, encoding="ascii")
        found = set()
        for path in conf.rglob("*.conf"):
            text = path.read_text(encoding="utf-8")
            found |= {word for word in instead if word in text}
            for word, other in instead.items():
                text = text.replace(word, other)
            path.write_text(text, encoding="utf-8")
        assert found == set(instead)
        for name in ("run", "cache"):
            (directory / name).mkdir()

    def rest(self, name):
        """As docs/operations.md says: nothing new goes to this web server."""
        (self.directory / "run" / f"{name}.resting").touch()

    def wake(self, name):
        (self.directory / "run" / f"{name}.resting").unlink()

    def log(self):
        return (self.directory / "requests.log").read_text(encoding="utf-8")

    def command(self, *options):
        configuration = self.directory / "conf" / "nginx.conf"
        return [PROGRAM, "-p", self.directory, "-c", configuration, "-e", self.directory / "errors.log", *options]


@contextmanager
def nginx(upstreams, **options):
    """A running one. Should we be root, it is run by an account without privileges all the same."""
    with tempfile.TemporaryDirectory(prefix="circdesk-nginx-", dir="/var/tmp") as name:
        directory = Path(name)
        proxy = Nginx(directory, upstreams, **options)
        account = {}
        if os.geteuid() == 0:
            account = {"user": 65534, "group": 65534, "extra_groups": []}
            for path in (directory, *directory.rglob("*")):
                os.chown(path, 65534, 65534)
        process = subprocess.Popen(proxy.command("-g", "daemon off;"), **account)
        try:
            _wait_until_it_listens(proxy, process)
            yield proxy
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_until_it_listens(proxy, process):
    give_up = time.monotonic() + PATIENCE
    while not (proxy.directory / "run" / "nginx.pid").exists():
        assert process.poll() is None, (proxy.directory / "errors.log").read_text(encoding="utf-8")
        assert time.monotonic() < give_up
        time.sleep(0.02)
