"""Kinds of secrets: what makes one strong enough, and never a word of it in a message."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from worker.config.validation import not_a
from worker.config.values import signing_key

_PLACEHOLDER = re.compile(
    r"(change.?me|secret|password|token|placeholder|example|todo|your).*|(.)\2*"
)
SECRET_BYTES = 32


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    make = "make one with: openssl rand -hex 32"
    if not text.strip():
        raise not_a("secret", "the secret is blank", make, got="")
    if _PLACEHOLDER.fullmatch(text.lower()):
        raise not_a("secret", "the secret is a placeholder that anyone could guess", make, got="")
    if len(text.encode()) < SECRET_BYTES:
        said = f"the secret is {len(text.encode())} bytes long; at least {SECRET_BYTES} are needed"
        raise not_a("secret", said, make, got="")
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    signing_key(value.get_secret_value())
    return value


def _given(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.strip():
        raise not_a("secret", "the secret is blank", "set it, or leave the variable out", got="")
    if not text.isprintable():
        raise not_a("secret", "the secret has a line break or a control character in it", got="")
    return value


def _in_ascii(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii():
        raise not_a("secret", "the secret has letters in it that are not plain ASCII", got="")
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]
GivenSecret = Annotated[SecretStr, AfterValidator(_given)]
"""A secret that another system gave us: how long it is, is not ours to say."""
HeaderSecret = Annotated[SecretStr, AfterValidator(_given), AfterValidator(_in_ascii)]
"""One that goes into a header or a login, where other letters have no agreed form."""
SigningSecret = Annotated[SecretStr, AfterValidator(_signing_secret)]
