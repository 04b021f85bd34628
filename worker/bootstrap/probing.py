"""What does not answer: the database, the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis
from sqlalchemy.exc import SQLAlchemyError

from worker.db.migrate import require_current
from worker.kernel.errors import DependencyDownError, PerennialError

if TYPE_CHECKING:
    from worker.bootstrap.app import App


def database_problem(app: App) -> PerennialError | None:
    """What is wrong with the database now: ``DependencyDownError`` or ``ConfigError``."""
    try:
        require_current(app.engine)
    except PerennialError as error:
        return error
    except SQLAlchemyError as error:
        return DependencyDownError(f"the database does not answer ({type(error).__name__})")
    return None


def redis_problem(url: str) -> PerennialError | None:
    """What is wrong with this Redis now; it has two seconds to answer."""
    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError as error:
        return DependencyDownError(f"Redis does not answer ({type(error).__name__})")
    finally:
        client.close()
    return None
