"""Stub while the real module is being written elsewhere."""


def database_url() -> str:
    return ""


def redis_url(db: int = 0) -> str:
    return ""


def development_secret_key() -> str:
    return ""
