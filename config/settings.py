"""All settings, from the environment. Production-safe defaults; `make run` sets the development ones."""

import hashlib
import ipaddress
import re
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
import dj_email_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env
from marshmallow.validate import Range
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import embedded
from config.api.description import DESCRIPTION
from config.schedule import SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()

# --- Who may reach what ---------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or (embedded.development_secret_key() if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Give it any long random text, the same for every process.")
if len(SECRET_KEY) < 32 and not DEBUG:
    raise ImproperlyConfigured("SECRET_KEY is too short to keep a secret. Give it at least 32 random characters.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

# The desk without sign-in: whoever presents no credential acts as a librarian.
OPEN_DESK = env.bool("OPEN_DESK", False)
if OPEN_DESK and not DEBUG and not env.bool("OPEN_DESK_I_UNDERSTAND", False):
    raise ImproperlyConfigured(
        "OPEN_DESK lets everybody who can reach this server act as a librarian. "
        "Turn it off, or set OPEN_DESK_I_UNDERSTAND=true."
    )

# How many proxies of our own a request passes; each adds the address it saw to X-Forwarded-For.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=Range(0, 10))
# Browsers come by HTTPS, which ends at a proxy that says so in X-Forwarded-Proto.
HTTPS = env.bool("HTTPS", False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

# --- Which part of the service this process is ------------------------------------------------------

# All of it, or one of two services with a database each that are kept in step by events.
SERVICE = env.str("SERVICE", "all")
if SERVICE not in ("all", "public", "admin"):
    raise ImproperlyConfigured(f"SERVICE is all, public or admin, not {SERVICE!r}.")
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
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", 10, validate=Range(1, 1440))),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", 14, validate=Range(1, 365))),
    "SIGNING_KEY": hashlib.sha256(f"tokens{_of_service}:{SECRET_KEY}".encode()).hexdigest(),
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
FULFIL_ON_RETURN = env.str("FULFIL_ON_RETURN", "hold")
if FULFIL_ON_RETURN not in ("hold", "loan"):
    raise ImproperlyConfigured(f"FULFIL_ON_RETURN is hold or loan, not {FULFIL_ON_RETURN!r}.")

# What members may do without the desk: all of it (true), nothing (false), or some of these, with commas between.
SELF_SERVICE_PARTS = ("register", "borrow", "return", "renew", "reserve")
_self_service = env.str("SELF_SERVICE", "true").strip().lower()
SELF_SERVICE = {"true": set(SELF_SERVICE_PARTS), "false": set[str]()}.get(
    _self_service, {part.strip() for part in _self_service.split(",")}
)
if not set(SELF_SERVICE_PARTS) >= SELF_SERVICE:
    raise ImproperlyConfigured(
        f"SELF_SERVICE is true, false, or some of {', '.join(SELF_SERVICE_PARTS)}; not {_self_service!r}."
    )

# After how many days is forgotten who had what. 0: never.
HISTORY_DAYS = env.int("HISTORY_DAYS", 0, validate=Range(0, 36_500))

# --- Webhooks -----------------------------------------------------------------------------------------

# They go to the public internet only, and to receivers in these networks of the library's own, such as 10.0.0.0/8.
_networks: list[str] = env.list("WEBHOOK_NETWORKS", [])
try:
    WEBHOOK_NETWORKS = [ipaddress.ip_network(_network.strip()) for _network in _networks]
except ValueError as _error:
    raise ImproperlyConfigured(f"WEBHOOK_NETWORKS is a list such as 10.0.0.0/8,fd00::/8; {_error}.") from None

# --- Mail ---------------------------------------------------------------------------------------------

# The mail server. Without one, mails are files while DEBUG is on, and otherwise nothing is sent.
_email_url = env.str("EMAIL_URL", "").strip()
EMAIL_BACKEND = (
    "integrations.notifications.files.MailFiles" if DEBUG else "django.core.mail.backends.dummy.EmailBackend"
)
if _email_url:
    try:
        if urlsplit(_email_url).scheme not in ("smtp", "submission") or not urlsplit(_email_url).hostname:
            raise ValueError
        _email = dj_email_url.parse(_email_url)
    except ValueError:  # what is there may be a password
        raise ImproperlyConfigured(
            "EMAIL_URL is like submission://name:password@mail.example.org:587 (which encrypts), or smtp://localhost:25."
        ) from None
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = (_email[f"EMAIL_{name}"] for name in ("BACKEND", "HOST", "PORT"))
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"] or "", _email["EMAIL_HOST_PASSWORD"] or ""
    EMAIL_USE_TLS, EMAIL_USE_SSL = _email["EMAIL_USE_TLS"], _email["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 10  # seconds, of each step
MAIL_IS_SET_UP = bool(_email_url) or DEBUG
MAIL_DIR = embedded.local_dir() / "mail"  # of mails that are files
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "library@localhost")
if not re.fullmatch(r"[^@\s]+@[A-Za-z0-9.-]+", parseaddr(DEFAULT_FROM_EMAIL)[1]) or "\n" in DEFAULT_FROM_EMAIL:
    raise ImproperlyConfigured(
        f"DEFAULT_FROM_EMAIL is an address, such as library@example.org; not {DEFAULT_FROM_EMAIL!r}."
    )
LIBRARY_NAME = env.str("LIBRARY_NAME", "Circdesk Library").strip()
if not 0 < len(LIBRARY_NAME) <= 100 or len(LIBRARY_NAME.splitlines()) > 1:
    raise ImproperlyConfigured("LIBRARY_NAME is one line of at most 100 characters.")
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
    "integrations.notifications",
    "integrations.publishing",
    "integrations.stores",
    "integrations.webhooks",
    "django.contrib.admin",
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
    "django.middleware.security.SecurityMiddleware",
    "config.api.middleware.CorsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.api.middleware.OptionalSlashMiddleware",
    "config.api.middleware.SafeHeadersMiddleware",
    "config.api.middleware.ConditionalMiddleware",
    "config.api.middleware.NoNulMiddleware",
    "config.api.middleware.SignInMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.api.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
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
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "UTC")
APPEND_SLASH = False  # OptionalSlashMiddleware answers both forms, for every method, without a redirect
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000  # bytes of a request body; more is 413 PAYLOAD_TOO_LARGE
IMPORT_MAX_MB = env.int("IMPORT_MAX_MB", 200, validate=Range(1, 100_000))  # of files to import, in one request

# --- PostgreSQL: the arbiter --------------------------------------------------------------------------

ATOMIC_REQUESTS = False  # only entry services open transactions (events/operations.py)
DATABASES = {"default": dj_database_url.parse(env.str("DATABASE_URL", "") or embedded.database_url())}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {  # beside what the URL says, such as sslmode
        # A request waits at most this long for another one's locks, then answers 503 BUSY.
        # How like each other words must be to pass for one with a typo: one wrong letter in six gives 0.5.
        "options": "-c lock_timeout=3s -c idle_in_transaction_session_timeout=10s "
        "-c pg_trgm.word_similarity_threshold=0.45",
        "server_side_binding": True,
        "prepare_threshold": 3,
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 16, validate=Range(1, 1000)), "timeout": 5},
    }
)

# --- Redis: a cache that may be gone at any time ------------------------------------------------------

# Before each key. Services share a Redis, and one knows where the other one's stream is.
_prefix = env.str("CACHE_KEY_PREFIX", "circdesk")
KEY_PREFIX_OF = {"all": _prefix, "public": f"{_prefix}-public", "admin": f"{_prefix}-admin"}
_redis_url = env.str("REDIS_URL", "") or embedded.redis_url(db=1)
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
EVENTS_REDIS_URL = env.str("EVENTS_REDIS_URL", "") or embedded.next_database(_redis_url)
# Who wakes workers, and whom they wake: Celery's broker. Nothing stands only there.
CELERY_BROKER_URL = env.str("BROKER_URL", "") or embedded.for_celery(EVENTS_REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": f"{KEY_PREFIX_OF[SERVICE]}:",
    "visibility_timeout": 600,  # seconds after which another worker is woken for what a dead one had in hand
    "socket_connect_timeout": 0.5,
    "socket_timeout": 0.5,
    "max_retries": 0,  # by whoever wakes; workers go on trying
}
# How long what was read may be reused, in seconds. Every change drops it sooner, but for the statistics.
CACHE_TTL = {"availability": 86_400, "book": 300, "book_list": 60, "statistics": 60}

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
        raise ImproperlyConfigured(f"THROTTLE_RATES is a list such as anonymous:read=60,key:write=9000; not {_rate!r}.")
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
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", [])
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
]
CORS_EXPOSE_HEADERS = [
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
]
CORS_PREFLIGHT_MAX_AGE = 3600  # seconds
# What a browser may load for a page of ours: nothing from elsewhere. The explorers allow themselves a little more.
_live = f" *{LIVE_URL}" if LIVE_URL.startswith(":") else f" {LIVE_URL}" if LIVE_URL else ""
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    f"frame-ancestors 'none'; connect-src 'self'{_live}"
)

SPECTACULAR_SETTINGS = DESCRIPTION

_log_level = env.str("LOG_LEVEL", "")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {"without_traces": {"()": "config.observability.traces.WithoutTraces"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["without_traces"]}},
    "root": {"handlers": ["console"], "level": _log_level or ("INFO" if DEBUG else "WARNING")},
    "loggers": {
        "django": {"handlers": ["console"], "propagate": False},
        # A refusal is an answer, not a warning. What goes wrong here is logged as an error, with its trace.
        "django.request": {"level": "ERROR"},
        "celery": {"level": _log_level or "WARNING"},  # else every round of the schedule has its lines
    },
}
