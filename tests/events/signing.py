"""A provider's side of signed events: a key pair, and requests signed as SendGrid signs them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from worker.channels.sendgrid_events import SIGNATURE, TIMESTAMP


@dataclass
class Signer:
    """Signs bodies; ``public`` is what stands on SendGrid's page of settings."""

    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def public(self) -> str:
        der = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return b64encode(der).decode()

    def headers(self, body: bytes, at: datetime) -> dict[str, str]:
        """The headers of a request with this body, sent at ``at``."""
        stamp = str(int(at.timestamp()))
        mark = self.private.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: b64encode(mark).decode(), TIMESTAMP: stamp}


def batch(events: Sequence[Any]) -> bytes:
    """A body as SendGrid writes it: compact, with a line end that is signed, too."""
    return json.dumps(events, separators=(",", ":")).encode() + b"\r\n"
