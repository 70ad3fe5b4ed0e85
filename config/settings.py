"""All settings, from the environment. Production-safe defaults; `make run` sets the development ones."""

import hashlib
import ipaddress
import re
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path

import dj_email_url
from marshmallow.validate import Range
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import admin_theme, embedded
from config.api.description import DESCRIPTION
from config.databases import PGBOUNCER, databases
from config.environment import HOST, ORIGIN, Environment
from config.observability import logs
from config.schedule import SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()  # notes what does not fit; env.check() at the end tells of all of it

# --- Who may reach what ---------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or (embedded.development_secret_key() if DEBUG else "")
if not SECRET_KEY:
    env.refuse("SECRET_KEY is not set. Give it any long random text, the same for every process.")
elif len(SECRET_KEY) < 32 and not DEBUG:
    env.refuse("SECRET_KEY is too short to keep a secret. Give it at least 32 random characters.")
# What it was before: whoever signed in with that stays signed in.
_earlier: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
SECRET_KEY_FALLBACKS = [_key.strip() for _key in _earlier]
if any(len(_key) < 32 for _key in SECRET_KEY_FALLBACKS):
    env.refuse("SECRET_KEY_FALLBACKS are earlier values of SECRET_KEY, with commas between; one is too short.")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], HOST, "desk.example.org,.example.net")

# The desk without sign-in: whoever presents no credential acts as a librarian.
OPEN_DESK = env.bool("OPEN_DESK", False)
if OPEN_DESK and not env.bool("OPEN_DESK_I_UNDERSTAND", False) and not DEBUG and env.fits("DEBUG"):
    env.refuse(
        "OPEN_DESK lets everybody who can reach this server act as a librarian. "
        "Turn it off, or set OPEN_DESK_I_UNDERSTAND=true."
    )

# How many proxies of our own a request passes; each adds the address it saw to X-Forwarded-For.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=Range(0, 10))
# Browsers come by HTTPS, which ends at a proxy that says so in X-Forwarded-Proto. Who comes by HTTP is sent there.
HTTPS = env.bool("HTTPS", False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^(health(/|$)|metrics$)"]  # asked from inside, past the proxy
# For how long browsers remember that; and whether for every name below ours, and in the list that they come with.
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000 if HTTPS else 0, validate=Range(0, 63_072_000))
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("HSTS_PRELOAD", False)
# The two are no defects when off: other services' names, which are not ours to promise anything for, would suffer.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# Where browsers come from when a proxy changes the Host: such as https://desk.example.org.
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", [], ORIGIN, "https://desk.example.org")

# --- Which part of the service this process is ------------------------------------------------------

# All of it, or one of two services with a database each that are kept in step by events.
SERVICE = env.choice("SERVICE", "all", ("all", "public", "admin"))
# Accounts are each service's own: tokens and sessions are no good at the other one, which may be on the same host.
_of_service = "" if SERVICE == "all" else f"-{SERVICE}"
SESSION_COOKIE_NAME = f"sessionid{_of_service}"
CSRF_COOKIE_NAME = f"csrftoken{_of_service}"

# --- Signing in -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses those who are locked out
    "django.contrib.auth.backends.ModelBackend",
    "accounts.backends.RoleBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
_signing_key, *EARLIER_SIGNING_KEYS = (
    hashlib.sha256(f"tokens{_of_service}:{_key}".encode()).hexdigest() for _key in (SECRET_KEY, *SECRET_KEY_FALLBACKS)
)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", 10, validate=Range(1, 1440))),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", 14, validate=Range(1, 365))),
    "SIGNING_KEY": _signing_key,
    "ALGORITHM": "HS256",
}
# Wrong passwords within the time that a lock lasts: for an account from one address; and so many times as many for an
# account from everywhere, or for everybody at an address.
AXES_FAILURE_LIMIT = 10
FAILURES_FROM_AFAR = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username", "ip_address"]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or an attacker could keep somebody out for ever
AXES_HANDLER = "accounts.backends.LockOuts"
AXES_CLIENT_IP_CALLABLE = "accounts.addresses.address_of"
AXES_LOCKOUT_CALLABLE = "config.api.errors.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # accounts/admin.py has a page for people
AXES_VERBOSE = False

# --- The rules of this library that are not loan policies ------------------------------------------

# What a return does for the head of the line: "hold" sets the copy aside, "loan" lends it at once.
FULFIL_ON_RETURN = env.choice("FULFIL_ON_RETURN", "hold", ("hold", "loan"))

# What members may do without the desk: all of it (true), nothing (false), or some of these, with commas between.
SELF_SERVICE_PARTS = ("register", "borrow", "return", "renew", "reserve")
_self_service = env.str("SELF_SERVICE", "true").strip().lower()
SELF_SERVICE = {"true": set(SELF_SERVICE_PARTS), "false": set[str]()}.get(
    _self_service, {part.strip() for part in _self_service.split(",")}
)
if not set(SELF_SERVICE_PARTS) >= SELF_SERVICE:
    env.refuse(f"SELF_SERVICE is true, false, or some of {', '.join(SELF_SERVICE_PARTS)}; not {_self_service!r}.")

# After how many days is forgotten who had what. 0: never.
HISTORY_DAYS = env.int("HISTORY_DAYS", 0, validate=Range(0, 36_500))

# --- Webhooks -----------------------------------------------------------------------------------------

# They go to the public internet only, and to receivers in these networks of the library's own, such as 10.0.0.0/8.
_networks: list[str] = env.list("WEBHOOK_NETWORKS", [])
WEBHOOK_NETWORKS: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
try:
    WEBHOOK_NETWORKS += [ipaddress.ip_network(_network.strip()) for _network in _networks]
except ValueError as _error:
    env.refuse(f"WEBHOOK_NETWORKS is a list such as 10.0.0.0/8,fd00::/8; {_error}.")

# --- Partner libraries ----------------------------------------------------------------------------------

# How many requests of a web process may wait for partners at a time: half of its threads (config/web.py). Whoever comes
# beyond that is told at once what is known, so that a partner that is slow holds up no desk.
PARTNER_REQUESTS = env.int("PARTNER_REQUESTS", 2, validate=Range(1, 1000))

# --- Mail ---------------------------------------------------------------------------------------------

# The mail server. Without one, mails are files while DEBUG is on, and otherwise nothing is sent.
_email_url = env.url(
    "EMAIL_URL",
    ("smtp", "submission"),
    "submission://name:password@mail.example.org:587 (which encrypts), or smtp://localhost:25",
)
EMAIL_BACKEND = (
    "integrations.notifications.files.MailFiles" if DEBUG else "django.core.mail.backends.dummy.EmailBackend"
)
if _email_url:
    _email = dj_email_url.parse(_email_url)
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = (_email[f"EMAIL_{name}"] for name in ("BACKEND", "HOST", "PORT"))
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"] or "", _email["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS, EMAIL_USE_SSL = _email["EMAIL_USE_TLS"], _email["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 10  # seconds, of each step
MAIL_IS_SET_UP = bool(_email_url) or DEBUG
MAIL_DIR = embedded.local_dir() / "mail"  # of mails that are files
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "library@localhost")
if not re.fullmatch(r"[^@\s]+@[A-Za-z0-9.-]+", parseaddr(DEFAULT_FROM_EMAIL)[1]) or "\n" in DEFAULT_FROM_EMAIL:
    env.refuse(f"DEFAULT_FROM_EMAIL is an address, such as library@example.org; not {DEFAULT_FROM_EMAIL!r}.")
LIBRARY_NAME = env.str("LIBRARY_NAME", "Circdesk Library").strip()
if not 0 < len(LIBRARY_NAME) <= 100 or len(LIBRARY_NAME.splitlines()) > 1:
    env.refuse("LIBRARY_NAME is one line of at most 100 characters.")
# How many days before the due date members are reminded, and from which hour of the morning, where the copy belongs.
DUE_SOON_DAYS = env.int("DUE_SOON_DAYS", 2, validate=Range(1, 30))
NOTICE_HOUR = env.int("NOTICE_HOUR", 8, validate=Range(0, 23))

# --- The project ------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "accounts",
    "events",
    "library",
    "reservations",
    "circulation",
    "integrations.logbook",
    "integrations.notifications",
    "integrations.partners",
    "integrations.publishing",
    "integrations.stores",
    "integrations.webhooks",
    "unfold.apps.BasicAppConfig",
    "config.apps.DeskConfig",  # the admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework_simplejwt.token_blacklist",
    "axes",
    "corsheaders",
    "django_celery_beat",
]
MIDDLEWARE = [
    "config.observability.requests.RequestMiddleware",
    "config.observability.asking.ByAnyNameMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.api.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.api.middleware.OptionalSlashMiddleware",
    "config.api.middleware.SafeHeadersMiddleware",
    "integrations.daia.errors.DaiaHeadersMiddleware",
    "config.api.middleware.ConditionalMiddleware",
    "config.api.nearby.NearbyMiddleware",
    "config.api.middleware.NoNulMiddleware",
    "config.api.middleware.OriginMiddleware",
    "config.api.middleware.SignInMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.api.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.languages.DeskLanguageMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".static"
WHITENOISE_USE_FINDERS = DEBUG or not STATIC_ROOT.exists()  # where nothing was collected
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
USE_TZ = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
LOGIN_REDIRECT_URL = "admin:index"
APPEND_SLASH = False  # OptionalSlashMiddleware answers both forms, for every method, without a redirect
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000  # bytes of a request body; more is 413 PAYLOAD_TOO_LARGE
IMPORT_MAX_MB = env.int("IMPORT_MAX_MB", 200, validate=Range(1, 100_000))  # of files to import, in one request

# --- Watching it ------------------------------------------------------------------------------------------

# Whoever sends this as a bearer token may read /metrics. Empty: everybody who can reach it, as /health.
METRICS_TOKEN = env.str("METRICS_TOKEN", "").strip()
# PROMETHEUS_MULTIPROC_DIR, where several processes of a web server count together: config/observability/places.py.

# --- PostgreSQL: the arbiter --------------------------------------------------------------------------

ATOMIC_REQUESTS = False  # only entry services open transactions (events/operations.py)
_example, _schemes = "postgresql://name:password@db.example.org:5432/desk", ("postgresql", "postgres")
DATABASES = databases(
    env.url("DATABASE_URL", _schemes, _example, is_postgresql=True) or embedded.database_url(),
    pool_size=env.int("DATABASE_POOL_SIZE", 16, validate=Range(1, 1000)),
    pgbouncer=env.choice("PGBOUNCER", "off", PGBOUNCER),
    # Of a streaming replica (rest/replica.py).
    replica_url=env.url("DATABASE_REPLICA_URL", _schemes, _example, is_postgresql=True),
)
DATABASE_ROUTERS = ["rest.replica.Router"] if "replica" in DATABASES else []

# --- Redis: a cache that may be gone at any time ------------------------------------------------------

# Before each key. Services share a Redis, and one knows where the other one's stream is.
_prefix = env.str("CACHE_KEY_PREFIX", "circdesk")
if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", _prefix):
    env.refuse(f"CACHE_KEY_PREFIX is at most 64 letters, digits and any of . _ : -, not {_prefix!r}.")
KEY_PREFIX_OF = {"all": _prefix, "public": f"{_prefix}-public", "admin": f"{_prefix}-admin"}
_redis, _redis_schemes = "redis://cache.example.org:6379/1", ("redis", "rediss", "unix")
_redis_url = env.url("REDIS_URL", _redis_schemes, _redis, is_redis=True) or embedded.redis_url(db=1)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": _redis_url,
        "KEY_PREFIX": KEY_PREFIX_OF[SERVICE],
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            # A dead Redis may cost a request 0.3 s, once: library/cache.py then stops asking for a while. A shorter
            # time would take a busy one for dead, and send every reader to PostgreSQL when it is busy, too.
            "SOCKET_CONNECT_TIMEOUT": 0.05,
            "SOCKET_TIMEOUT": 0.25,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }
}
# The streams of events. In a database that clearing the cache does not touch: unless named, the one after it.
EVENTS_REDIS_URL = env.url("EVENTS_REDIS_URL", _redis_schemes, _redis, is_redis=True) or embedded.next_database(
    _redis_url
)
# Who wakes workers, and whom they wake: Celery's broker. Nothing stands only there.
CELERY_BROKER_URL = embedded.for_celery(
    env.url("BROKER_URL", (*_redis_schemes, "redis+socket"), _redis, is_redis=True) or EVENTS_REDIS_URL
)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{KEY_PREFIX_OF[SERVICE]}:",
    "visibility_timeout": 600,  # seconds after which another worker is woken for what a dead one had in hand
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
    "max_retries": 0,  # by whoever wakes; workers go on trying
}
# Whether each web server's process keeps for itself what Redis would tell it the changes of (library/nearby.py).
CACHE_IN_PROCESS = env.bool("CACHE_IN_PROCESS", True)
# How long what was read may be reused, in seconds. Every change drops it sooner, but for the statistics.
CACHE_TTL = {"availability": 86_400, "book": 300, "book_list": 60, "statistics": 60, "overview": 60, "holdings": 3600}

# --- What is done without being asked -------------------------------------------------------------------

CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever
CELERY_TASK_ACKS_LATE = True  # a task of a worker that died is given to another one
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # what waits is for whoever is free
CELERY_WORKER_HIJACK_ROOT_LOGGER = CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5.0  # seconds to finish in, when told to end
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # they need no broker
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_RESULT_EXPIRES = None  # there are no results
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULER = "config.beat.Scheduler"

# --- Live availability ----------------------------------------------------------------------------------

# How many may listen at a time in one process; more are answered 503 BUSY.
LIVE_LISTENERS = env.int("LIVE_LISTENERS", 2_000, validate=Range(1, 60_000))
# Where that process is, for a web server that is asked in its place: such as https://live.example.org, or :8001 for a
# port of the same host. Empty where a proxy knows the way, or where there is none.
LIVE_URL = env.str("LIVE_URL", "").rstrip("/")
if not re.fullmatch(rf"|:[0-9]{{1,5}}|{ORIGIN.pattern}[A-Za-z0-9/._~-]*", LIVE_URL):
    env.refuse(f"LIVE_URL is like https://live.example.org, or :8001 for a port of the same host; not {LIVE_URL!r}.")

# --- How much one caller may ask ------------------------------------------------------------------------

# Requests a minute; more are answered 429 THROTTLED. An open desk counts nothing.
THROTTLE = env.bool("THROTTLE", True)
THROTTLE_RATES = {
    "anonymous": {"read": 300, "write": 30, "account": 20},
    "member": {"read": 600, "write": 120, "account": 20},
    "staff": {"read": 6_000, "write": 3_000, "account": 60},
    "key": {"read": 12_000, "write": 6_000, "account": 60},
}
_rates: list[str] = env.list("THROTTLE_RATES", [])
for _rate in _rates:  # such as anonymous:read=60
    _name, _, _number = _rate.partition("=")
    _group, _, _kind = _name.strip().partition(":")
    if _kind not in THROTTLE_RATES.get(_group, {}) or not _number.strip().isdecimal() or int(_number) < 1:
        env.refuse(f"THROTTLE_RATES is a list such as anonymous:read=60,key:write=9000; not {_rate!r}.")
    else:
        THROTTLE_RATES[_group][_kind] = int(_number)

# --- HTTP ------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "accounts.authentication.KeyAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.AsTheTableSays"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.Allowance"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest.rendering.EnvelopeRenderer", "rest.rendering.ProblemRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "rest.schema.EnvelopeSchema",
    "EXCEPTION_HANDLER": "config.api.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Pages of which sites a browser may let call the API, such as https://catalogue.example.org.
CORS_ALLOWED_ORIGINS = env.names("CORS_ALLOWED_ORIGINS", [], ORIGIN, "https://catalogue.example.org")
CORS_URLS_REGEX = r"^/(api|reserve|status)(/|$)"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-api-key",
    "x-request-id",
]
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]
CORS_PREFLIGHT_MAX_AGE = 3600  # seconds
# What a browser may load for a page of ours: nothing from elsewhere. The explorers allow themselves a little more.
# (A path would hold for that one address, and not for what is below it.)
_live = f" *{LIVE_URL}" if LIVE_URL.startswith(":") else f" {'/'.join(LIVE_URL.split('/')[:3])}" if LIVE_URL else ""
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    f"frame-ancestors 'none'; connect-src 'self'{_live}"
)
# The admin's theme evaluates attributes of its pages, and writes styles into them; its files are ours all the same.
ADMIN_CONTENT_SECURITY_POLICY = (
    f"{CONTENT_SECURITY_POLICY}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)
# What of the machine before which somebody sits a page of ours may use: nothing.
PERMISSIONS_POLICY = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

SPECTACULAR_SETTINGS = DESCRIPTION
UNFOLD = admin_theme.UNFOLD

# --- Containers -------------------------------------------------------------------------------------------

# What processes that answer nobody touch while they are at work (events/alive.py). Empty: nothing.
ALIVE_FILE = env.str("ALIVE_FILE", "")

# --- What is told of it (docs/operations.md, "Logs and traces") -----------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", "text" if DEBUG else "json", logs.FORMATS)
LOG_LEVEL = env.choice("LOG_LEVEL", "", logs.LEVELS)
SLOW_REQUEST_MS = env.int("SLOW_REQUEST_MS", 1_000, validate=Range(0, 3_600_000))
SLOW_QUERY_MS = env.int("SLOW_QUERY_MS", 200, validate=Range(0, 3_600_000))
# For how many days warnings and errors are kept in the database. 0: none are.
LOG_DAYS = env.int("LOG_DAYS", 30, validate=Range(0, 3_650))
# Where traces go. OpenTelemetry would read these two itself, but not from a file; others of its own it does read.
_collector = env.url("OTEL_EXPORTER_OTLP_ENDPOINT", ("http", "https"), "http://collector.example.org:4318")
TRACES_URL = env.url(
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ("http", "https"), "http://collector.example.org:4318/v1/traces"
) or (f"{_collector.rstrip('/')}/v1/traces" if _collector else "")
TRACED = bool(TRACES_URL)
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", "circdesk")
if TRACED:
    MIDDLEWARE.insert(0, "config.observability.spans.TracingMiddleware")
# Where errors go that nobody foresaw.
SENTRY_DSN = env.url("SENTRY_DSN", ("http", "https"), "https://key@sentry.example.org/1")
LOGGING = logs.settings_of(debug=DEBUG, level=LOG_LEVEL, form=LOG_FORMAT, keep=LOG_DAYS > 0, traced=TRACED)

env.check()
