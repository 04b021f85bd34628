"""The provider's signed events: late, doubled, shuffled, or not at all."""

from __future__ import annotations

import http.client
import json
import threading
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.providers.truth import Taken
from worker.kernel.clock import SystemClock

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"


class Signer:
    """Signs as SendGrid does: ECDSA on P-256 over the timestamp and the body.

    The key lies in ``folder``, so that a provider that comes back signs with the same one.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "event-key.pem"
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            path.write_bytes(
                made.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def public(self) -> str:
        """What goes into ``[mail.sendgrid] event_key``."""
        der = serialization.PublicFormat.SubjectPublicKeyInfo
        raw = self._key.public_key().public_bytes(serialization.Encoding.DER, der)
        return b64encode(raw).decode()

    def headers(self, body: bytes, timestamp: str) -> dict[str, str]:
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: b64encode(signature).decode(), TIMESTAMP: timestamp}


@dataclass
class Teller:
    """Posts events about accepted mails to ``url`` until they are taken.

    Of each mail, ``evidence`` is the chance that anything is told at all; an event comes up to
    ``late`` seconds after its mail, and ``doubled`` is the chance that it comes twice. An event
    that nobody takes is told again, as SendGrid does for a day.
    """

    folder: Path
    url: str
    seed: int = 0
    evidence: float = 1.0
    late: float = 0.5
    doubled: float = 0.3
    kinds: tuple[str, ...] = ("processed", "delivered")
    waiting: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = Signer(self.folder)
        self._clock, self._stop, self._adding = SystemClock(), threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def tell(self, taken: Taken, smtp_id: str) -> None:
        """What there is to tell of an accepted mail comes, sooner or later, or never."""
        chance = Random(f"{self.seed}:{taken.mail}:{taken.copy}:{taken.message_id}")
        if chance.random() >= self.evidence:
            return
        now = self._clock.monotonic()
        with self._adding:
            for kind in self.kinds:
                event = event_of(taken, kind, smtp_id, int(self._clock.now().timestamp()))
                for _ in range(2 if chance.random() < self.doubled else 1):
                    self.waiting.append((now + chance.random() * self.late, event))

    def _run(self) -> None:
        chance = Random(self.seed)
        while not self._stop.wait(0.05):
            now = self._clock.monotonic()
            with self._adding:
                due = [event for at, event in self.waiting if at <= now]
                self.waiting = [one for one in self.waiting if one[0] > now]
            chance.shuffle(due)
            while due:
                batch, due = due[:20], due[20:]
                if not self._posted(batch):
                    with self._adding:
                        self.waiting += [(now + 0.5, event) for event in batch]

    def _posted(self, batch: list[dict[str, Any]]) -> bool:
        body = json.dumps(batch).encode()
        stamp = str(int(self._clock.now().timestamp()))
        headers = {"Content-Type": "application/json"} | self.signer.headers(body, stamp)
        assert urlsplit(self.url).hostname in ("127.0.0.1", "localhost")
        try:
            with urlopen(Request(self.url, body, headers), timeout=5) as answer:
                return bool(200 <= answer.status < 300)
        except (OSError, http.client.HTTPException):
            return False


def event_of(taken: Taken, kind: str, smtp_id: str, at: int) -> dict[str, Any]:
    """An event as SendGrid writes it; the same event has the same id, whenever it is told."""
    return {
        "email": taken.address,
        "timestamp": at,
        "smtp-id": smtp_id,
        "event": kind,
        "sg_event_id": b64encode(f"{kind}:{taken.message_id}".encode()).decode(),
        "sg_message_id": f"{taken.message_id}.recvd-test-0",
        "mail": taken.mail,
        "copy": taken.copy,
    }
