"""Whether what runs in this container is at work: ends with 0 or 1. For HEALTHCHECK in the Dockerfile.

python -m config.healthcheck                       a web server, or where one listens: does it answer?
python -m config.healthcheck --at-work-within 60   anything else: did it touch ALIVE_FILE in the last 60 seconds?
"""

import argparse
import http.client
import os
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at-work-within", type=float, metavar="SECONDS")
    within = parser.parse_args().at_work_within
    return 0 if (answers() if within is None else is_at_work(within)) else 1


def answers() -> bool:
    # The service answers under its own names only.
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    headers = {"Host": name} if name not in ("", "*") else {}
    client = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("GRANIAN_PORT", "8000")), timeout=4)
    try:
        client.request("GET", "/health/live", headers=headers)
        return client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def is_at_work(within: float) -> bool:
    try:
        touched = Path(os.environ.get("ALIVE_FILE", "")).stat().st_mtime
    except OSError:
        return False
    return time.time() - touched <= within


if __name__ == "__main__":
    sys.exit(main())
