"""The way out of production: public addresses only, and localhost when the settings allow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from worker.config.settings import WebhookSettings
from worker.config.values import signing_key
from worker.http.door import Door
from worker.schedules.kinds.webhook import is_for_trying
from worker.webhooks.flow import Outside

TIMEOUT = timedelta(seconds=15)
_MOST_BYTES = 65536  # what an answer says beside its status is of no interest


class Doors:
    """Which door an address is called through; each is made at the first call that needs it."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    def __call__(self, url: str) -> Door:
        local = self._settings.allow_local and is_for_trying(url)
        return self._local if local else self._public

    @cached_property
    def _public(self) -> Door:
        return Door(TIMEOUT, public_only=True, most_bytes=_MOST_BYTES)

    @cached_property
    def _local(self) -> Door:
        return Door(TIMEOUT, most_bytes=_MOST_BYTES)

    def close(self) -> None:
        """Ends all connections; a later call opens new ones."""
        for name in ("_public", "_local"):
            door = self.__dict__.pop(name, None)
            if door is not None:
                door.close()

    def outside(self, held: Callable[[], bool] = lambda: False) -> Outside:
        """How calls leave: signed with the secrets there are, and not at all without one, or while
        ``held`` says so."""
        secrets = (self._settings.secret, self._settings.previous_secret)
        keys = [signing_key(secret.get_secret_value()) for secret in secrets if secret]
        return Outside(self, keys, held=lambda: not keys or held())
