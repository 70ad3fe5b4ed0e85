"""Whether the web server of this container answers: ends with 0 or 1. For HEALTHCHECK in the Dockerfile."""

import http.client
import os
import sys


def main() -> int:
    # The service answers under its own names only.
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    headers = {"Host": name} if name not in ("", "*") else {}
    client = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("GRANIAN_PORT", "8000")), timeout=4)
    try:
        client.request("GET", "/health/live", headers=headers)
        return 0 if client.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        client.close()


if __name__ == "__main__":
    sys.exit(main())
