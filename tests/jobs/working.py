"""Workers in processes of their own, which can be killed."""

import os
import subprocess
import sys

from django.conf import settings
from django.db import connection

from tests.simulation.service import url_of


def worker(job_id):
    """Does one job, and lets go when it is told to end."""
    code = (
        "import django; django.setup(); "
        "import signal, threading; stop = threading.Event(); "
        "signal.signal(signal.SIGTERM, lambda *_: stop.set()); "
        "from circulation.jobs import running; "
        f"running.run({job_id}, stopping=stop.is_set)"
    )
    environment = {
        "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.Popen([sys.executable, "-c", code], cwd=settings.BASE_DIR, env=os.environ | environment)
