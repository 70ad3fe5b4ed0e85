"""Looks through what is deployed: Dockerfile, compose files, nginx, Kubernetes. For `make lint-deploy`.

What needs a program that is no Python package is looked at where that is installed, and else named at the end.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.deploy.nginx import FILES, PROGRAM, ROOT, Nginx

TOOLS = Path(sys.executable).parent
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.prod.yml")
STAND_INS = {"SECRET_KEY": "only-to-read-the-file", "POSTGRES_PASSWORD": "only-to-read-the-file"}


def main():
    """0, or 1 and what is wrong on standard error."""
    not_looked_at = []
    with tempfile.TemporaryDirectory() as name:
        checks = [
            *everywhere(Path(name)),
            *with_compose(Path(name), not_looked_at),
            *with_nginx(Path(name), not_looked_at),
        ]
        failed = [command for command in checks if not passes(command)]
    if not_looked_at:
        print(f"Not installed here, and so not asked: {', '.join(not_looked_at)}.")
    return 1 if failed else 0


def passes(command):
    environment = os.environ | STAND_INS
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def everywhere(scratch):
    manifests = sorted(path for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml") if path.stem != "kustomization")
    yield [TOOLS / "hadolint", "--failure-threshold", "style", "Dockerfile"]
    yield [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE_FILES]
    yield [TOOLS / "kubernetes-validate", "--strict", "--quiet", *manifests]
    yield ["sh", "-n", "deploy/restart"]
    # As it stands, and with TLS as docker-compose.prod.yml has it. What is skipped is the service's: it answers to
    # ALLOWED_HOSTS only, whatever name is passed on, and it says for how long browsers come by TLS.
    with_tls = shutil.copytree(FILES, scratch / "nginx")
    shutil.rmtree(with_tls / "servers")
    (with_tls / "tls").rename(with_tls / "servers")
    for directory in (FILES, with_tls):
        yield [TOOLS / "gixy", "--skips", "host_spoofing,hsts_header", directory / "nginx.conf"]


def with_compose(scratch, not_looked_at):
    files = scratch / "compose"
    files.mkdir()
    (files / ".env").touch()
    for file in COMPOSE_FILES:
        text = (ROOT / file).read_text(encoding="utf-8")
        # Debian's docker-compose, of 2021, knows all but this line.
        (files / file).write_text(text.replace("\nname: circdesk\n", "\n"), encoding="utf-8")
    if shutil.which("docker-compose"):
        compose = ["docker-compose"]
    elif shutil.which("docker"):
        compose = ["docker", "compose"]
    else:
        not_looked_at.append("docker-compose")
        return
    profiles = ["--profile", "split", "--profile", "monitoring"]
    for file in COMPOSE_FILES:
        yield [*compose, "--project-name", "circdesk", "--file", files / file, *profiles, "config", "--quiet"]


def with_nginx(scratch, not_looked_at):
    if PROGRAM is None:
        not_looked_at.append("nginx")
        return
    directory = scratch / "run-nginx"
    directory.mkdir()
    addresses = dict.fromkeys(("web-1", "web-2", "live"), "127.0.0.1:9")
    yield Nginx(directory, addresses).command("-t", "-q")


if __name__ == "__main__":
    sys.exit(main())
