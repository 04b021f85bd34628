"""Headers and signatures of Standard Webhooks (standardwebhooks.com, version 1).

webhook-id          the call, the same at every attempt
webhook-timestamp   the attempt, in seconds since 1970
webhook-signature   v1,<base64 of HMAC-SHA256 over "id.timestamp.body">, one for each key
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def content(body: Mapping[str, Any]) -> bytes:
    """The bytes of a body: equal bodies have equal bytes, at every attempt."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True).encode()


def signed(id_: str, now: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers of one attempt. With two keys, whoever knows either one can verify it."""
    at = str(int(now.timestamp()))
    told = b".".join((id_.encode(), at.encode(), body))
    marks = (b64encode(hmac.digest(key, told, "sha256")).decode() for key in keys)
    return {
        "Content-Type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }
