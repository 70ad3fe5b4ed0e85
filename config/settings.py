"""All settings, from the environment. Production-safe defaults; `make run` sets the development ones."""

from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from environs import Env
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import embedded

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()

# --- Who may reach what ---------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or (embedded.development_secret_key() if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Give it any long random text, the same for every process.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])

# The desk without sign-in: whoever presents no credential acts as a librarian.
OPEN_DESK = env.bool("OPEN_DESK", False)
if OPEN_DESK and not DEBUG and not env.bool("OPEN_DESK_I_UNDERSTAND", False):
    raise ImproperlyConfigured(
        "OPEN_DESK lets everybody who can reach this server act as a librarian. "
        "Turn it off, or set OPEN_DESK_I_UNDERSTAND=true."
    )

# --- The rules of this library that are not loan policies ------------------------------------------

# What a return does for the head of the line: "hold" sets the copy aside, "loan" lends it at once.
FULFIL_ON_RETURN = env.str("FULFIL_ON_RETURN", "hold")
if FULFIL_ON_RETURN not in ("hold", "loan"):
    raise ImproperlyConfigured(f"FULFIL_ON_RETURN is hold or loan, not {FULFIL_ON_RETURN!r}.")

# --- The project ------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "accounts",
    "events",
    "library",
    "reservations",
    "circulation",
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
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.api.middleware.OptionalSlashMiddleware",
    "config.api.middleware.ConditionalMiddleware",
    "config.api.middleware.NoNulCookiesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.api.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
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
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", "UTC")
APPEND_SLASH = False  # OptionalSlashMiddleware answers both forms, for every method, without a redirect
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000  # bytes of a request body; more is 413 PAYLOAD_TOO_LARGE

# --- PostgreSQL: the arbiter --------------------------------------------------------------------------

ATOMIC_REQUESTS = False  # only entry services open transactions (events/operations.py)
DATABASES = {"default": dj_database_url.parse(env.str("DATABASE_URL", "") or embedded.database_url())}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {  # beside what the URL says, such as sslmode
        # A request waits at most this long for another one's locks, then answers 503 BUSY.
        "options": "-c lock_timeout=3s -c idle_in_transaction_session_timeout=10s",
        "server_side_binding": True,
        "prepare_threshold": 3,
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", 16), "timeout": 5},
    }
)

# --- Redis: a cache that may be gone at any time ------------------------------------------------------

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": env.str("REDIS_URL", "") or embedded.redis_url(db=1),
        "KEY_PREFIX": env.str("CACHE_KEY_PREFIX", "circdesk"),
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
# How long what was read may be reused, in seconds; every change drops it sooner.
CACHE_TTL = {"availability": 86_400, "book": 300, "book_list": 60}

# --- HTTP ------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.StaffOrOpenDesk"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest.rendering.EnvelopeRenderer", "rest.rendering.ProblemRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest.parsing.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "rest.schema.EnvelopeSchema",
    "EXCEPTION_HANDLER": "config.api.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Circdesk",
    "DESCRIPTION": "The circulation desk of a library: titles, copies, members, loans and the reservation queue.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"id": int, "barcode": str},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.schema.write_out_refusals",
    ],
    "TAGS": [
        {"name": "catalogue", "description": "Titles, and how many copies of each are where."},
        {"name": "copies", "description": "Single items with a barcode."},
        {"name": "members", "description": "Who may borrow."},
        {"name": "circulation", "description": "Check-out, return, renewal; loans and events."},
        {"name": "reservations", "description": "The line for a title: first come, first served."},
    ],
    "ENUM_NAME_OVERRIDES": {
        "CopyStatus": "library.models.Copy.Status",
        "ReservationStatus": "reservations.models.Reservation.Status",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO" if DEBUG else "WARNING")},
    "loggers": {
        "django": {"handlers": ["console"], "propagate": False},
        # A refusal is an answer, not a warning. What goes wrong here is logged as an error, with its trace.
        "django.request": {"level": "ERROR"},
    },
}
