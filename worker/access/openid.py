"""Who somebody is to an OpenID provider: the authorization code flow with PKCE and a nonce.

OpenID Connect Core 1.0, section 3.1; RFC 7636. The tokens are verified with the provider's own
keys. Calls go through the house's door; the extra ``oidc`` brings what reads tokens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from itsdangerous import BadData, URLSafeSerializer

from worker.config.settings import OidcSettings
from worker.http.door import Answer, Door
from worker.kernel.clock import Clock
from worker.kernel.errors import DependencyDownError, FindingsError

LASTS = timedelta(minutes=10)
"""So long may somebody take at the provider."""
_LEEWAY = 60
"""Seconds by which two clocks may differ."""
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""What signs a token: with a key pair, so that nobody but the provider can."""
_FRESH = timedelta(hours=1)
_MOST_BYTES = 1 << 20


class NotVouchedError(FindingsError):
    """The provider vouches for nobody. Its text is for the person who tried."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for. ``email`` only when it says that it verified it."""

    subject: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where to send a browser, and the cookie that it has to bring back."""

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What the provider says of itself, and its keys."""

    at: datetime
    config: Mapping[str, Any]
    keys: Mapping[str, Any]


class Provider:
    """The provider that ``[web.oidc]`` names. Made once; used by several threads."""

    def __init__(self, settings: OidcSettings, back: str, clock: Clock) -> None:
        assert settings.issuer is not None
        assert settings.client_id is not None
        assert settings.client_secret is not None
        self._issuer, self._client = settings.issuer, settings.client_id
        self._secret = settings.client_secret.get_secret_value()
        self._back, self._clock = back, clock
        self._known: _Known | None = None
        self._asking = threading.Lock()
        self.name = settings.name

    def leave(self, where: str) -> Leaving:
        """Begins: ``where`` is the path to go to at the end. Raises ``DependencyDownError``."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._back,
            "scope": "openid email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        made = int(self._clock.now().timestamp())
        cookie = self._signer().dumps([made, state, nonce, verifier, where])
        url = self._endpoint("authorization_endpoint")
        joint = "&" if "?" in url else "?"
        return Leaving(f"{url}{joint}{urlencode(asked)}", str(cookie))

    def come_back(self, query: Mapping[str, str], cookie: str) -> tuple[Vouched, str]:
        """Whom the provider vouches for, and where to go. Raises ``NotVouchedError``, and
        ``DependencyDownError`` when the provider does not answer."""
        state, nonce, verifier, where = self._read(cookie)
        if not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
            raise NotVouchedError("This is not the answer to what this browser asked. Start again.")
        if "code" not in query:
            raise NotVouchedError("The provider did not sign you in. Start again.")
        token = self._exchange(query["code"], verifier)
        return self._vouched(self._claims(token, nonce)), where

    def _read(self, cookie: str) -> tuple[str, str, str, str]:
        try:
            made, state, nonce, verifier, where = self._signer().loads(cookie)
        except (BadData, ValueError, TypeError):
            raise NotVouchedError("This browser has not asked to sign in. Start again.") from None
        if self._clock.now().timestamp() - made > LASTS.total_seconds():
            raise NotVouchedError("This took longer than ten minutes. Start again.")
        return state, nonce, verifier, where

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._secret, salt="perennial.openid")

    # --- what the provider is asked ---

    def _exchange(self, code: str, verifier: str) -> str:
        """The ID token that a code stands for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        methods = self._config().get("token_endpoint_auth_methods_supported")
        if methods is None or "client_secret_basic" in methods:
            pair = f"{quote(self._client, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client, "client_secret": self._secret}
        url = self._endpoint("token_endpoint")
        with closing(_door()) as door:
            answer = door.post(url, urlencode(form).encode(), headers)
        if answer.status in (400, 401):
            raise NotVouchedError("The provider did not take the answer back. Start again.")
        token = _json(answer, "its token endpoint").get("id_token")
        if not isinstance(token, str):
            raise NotVouchedError("The provider sent no token that says who you are.")
        return token

    def _endpoint(self, name: str) -> str:
        url = self._config().get(name)
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise DependencyDownError(f"The OpenID provider does not name its {name}.")
        return url

    def _config(self) -> Mapping[str, Any]:
        return self._provider().config

    def _provider(self, *, anew: bool = False) -> _Known:
        """What is known of the provider, an hour old at most; ``anew``: a minute at most."""
        with self._asking:
            now, known = self._clock.now(), self._known
            longest = timedelta(minutes=1) if anew else _FRESH
            if known is None or now - known.at > longest:
                known = self._known = self._ask(now)
            return known

    def _ask(self, now: datetime) -> _Known:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        config = _asked(url, "its configuration")
        if config.get("issuer") != self._issuer:
            raise DependencyDownError(
                f"The OpenID provider calls itself {config.get('issuer')!r}; "
                f"web.oidc.issuer says {self._issuer!r}."
            )
        keys = _asked(str(config.get("jwks_uri")), "its keys")
        return _Known(now, config, keys)

    # --- what it says ---

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What a token says, once its signature, its reader, its time and its nonce are right."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        try:
            header, claims = self._opened(token)
            options = {
                "iss": {"essential": True, "value": self._issuer},
                "aud": {"essential": True, "value": self._client},
            }
            params = {"nonce": nonce, "client_id": self._client}
            read = CodeIDToken(claims, header, options, params)
            read.validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotVouchedError(
                "The provider's token cannot be trusted. Start again; if it happens again, tell "
                "whoever runs Perennial."
            ) from error
        return claims

    def _opened(self, token: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Header and claims of a token whose signature is right. Keys rotate: when it names one
        that is not known, the provider is asked for its keys again."""
        from joserfc import jws, jwt
        from joserfc.jwk import KeySet

        kid = jws.extract_compact(token.encode()).headers().get("kid")
        keys = self._provider().keys
        if kid not in {one.get("kid") for one in keys.get("keys", ())}:
            keys = self._provider(anew=True).keys
        ours: Any = {"keys": [one for one in keys.get("keys", ()) if _signs(one)]}
        read = jwt.decode(token, KeySet.import_key_set(ours), algorithms=_ALGORITHMS)
        return read.header, read.claims

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        email = claims.get("email")
        is_verified = claims.get("email_verified") is True and isinstance(email, str)
        subject = f"{self._issuer} {claims['sub']}"
        return Vouched(subject, str(email).lower() if is_verified else None)


def _signs(key: Mapping[str, Any]) -> bool:
    """Whether a key is one of those that sign; a provider may show others beside them."""
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _door() -> Door:
    """For one question: people sign in too seldom to keep a connection for it."""
    return Door(timedelta(seconds=10), most_bytes=_MOST_BYTES)


def _asked(url: str, what: str) -> dict[str, Any]:
    with closing(_door()) as door:
        return _json(door.get(url), what)


def _json(answer: Answer, what: str) -> dict[str, Any]:
    try:
        found = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DependencyDownError(
            f"The OpenID provider answered with {answer.status} where {what} should be."
        )
    return found


def provider_of(settings: OidcSettings, base_url: str, clock: Clock) -> Provider | None:
    """The provider, if ``[web.oidc]`` names one; nobody is called before somebody signs in."""
    if settings.issuer is None:
        return None
    return Provider(settings, f"{base_url}/sign-in/openid/back", clock)
