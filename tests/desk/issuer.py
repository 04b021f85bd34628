"""An OpenID provider that works: real keys, a page to sign in, codes that are good once, PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.http.server import Asked, Reply, Server
from worker.kernel.clock import Clock

CLIENT, SECRET = "perennial", "issued-to-perennial-by-the-provider"
Claims = dict[str, Any]


@dataclass
class Issuer:
    """Vouches for ``person``. ``bend`` alters the claims of a token; ``sign`` makes it."""

    clock: Clock
    person: Claims = field(
        default_factory=lambda: {
            "sub": "p-17",
            "email": "Anna@Example.com",
            "email_verified": True,
        }
    )
    bend: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims], str] | None = None
    is_away: bool = False
    keys: list[RSAKey] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def rotate(self) -> None:
        """Signs with another key from now on; the one before is forgotten."""
        kid = f"key-{len(self.asked)}-{secrets.token_hex(4)}"
        self.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})]

    def answer(self, asked: Asked) -> Reply | None:
        self.asked.append(asked)
        if self.is_away:
            return Reply(b"away", 503)
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        pages = {
            "/.well-known/openid-configuration": self._config,
            "/keys": lambda _: _json({"keys": [key.as_dict(private=False) for key in self.keys]}),
            "/authorize": self._page,
            "/signed": self._signed,
        }
        if parts.path == "/token":
            return self._token(asked)
        return pages[parts.path](query) if parts.path in pages else Reply(status=404)

    def _config(self, _query: dict[str, str]) -> Reply:
        return _json(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    def _page(self, query: dict[str, str]) -> Reply:
        """Asks who it is."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        where = f"/signed?{urlencode(query)}"
        page = f'<!doctype html><title>Who?</title><a href="{where.replace("&", "&amp;")}">Me</a>'
        return Reply(page.encode(), headers={"Content-Type": "text/html"})

    def _signed(self, query: dict[str, str]) -> Reply:
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return Reply(status=302, headers={"Location": f"{query['redirect_uri']}?{back}"})

    def _token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        begun = self.codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        fits = (
            begun is not None
            and asked.headers.get("Authorization") == f"Basic {pair}"
            and form["redirect_uri"] == begun["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == begun["code_challenge"]
        )
        if not fits or begun is None:
            return _json({"error": "invalid_grant"}, 400)
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300}
        claims = self.bend({**claims, "nonce": begun["nonce"], **self.person})
        token = self.sign(claims) if self.sign else self.signed(claims)
        return _json({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def signed(self, claims: Claims, key: RSAKey | None = None) -> str:
        key = key or self.keys[0]
        kid = self.keys[0].kid
        return jwt.encode({"alg": "RS256", "kid": kid}, claims, key)


def _json(body: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(body).encode(), status, {"Content-Type": "application/json"})


@contextmanager
def issuing(clock: Clock) -> Iterator[Issuer]:
    """A provider that is there while the block lasts."""
    issuer = Issuer(clock)
    issuer.rotate()
    server = Server(issuer.answer)
    with server.running():
        issuer.url = server.url
        yield issuer
