"""What signing in by OpenID Connect needs, once an issuer is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from worker.config.overrides import variable
from worker.config.validation import Finding, problem_at
from worker.kernel.errors import Problem
from worker.kernel.toml import Document, Path_

_TABLE = ("web", "oidc")
_NEEDS: Mapping[str, str] = {
    "issuer": "the address of whoever vouches for people, e.g. 'https://login.example.com'",
    "client_id": "the name that the issuer knows this instance by",
    "client_secret": "the secret that belongs to client_id",
}


def unready_openid(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """What is missing in ``[web.oidc]``, and the extra that it needs; ``data`` may be invalid."""
    web = data.get("web", {})
    table = web.get("oidc", {}) if isinstance(web, dict) else {}
    if not isinstance(table, dict):
        return
    there = [name for name in _NEEDS if name in table]
    if not there:
        return
    cause = (*_TABLE, there[0])
    for name, what in _NEEDS.items():
        if name not in table:
            path = (*_TABLE, name)
            how = f"set {variable(path)}" if name == "client_secret" else f"write {name} = …"
            yield _at(document, given, cause, Finding("missing", what, how), path)
    if find_spec("authlib") is None:
        hint = "install it with: pip install 'perennial[oidc]'"
        said = "the part of Perennial that signs people in by OpenID Connect"
        yield _at(document, given, cause, Finding("missing", said, hint), cause)


def _at(
    document: Document, given: Mapping[Path_, str], cause: Path_, finding: Finding, path: Path_
) -> Problem:
    return replace(problem_at(document, cause, finding, given=given), path=".".join(map(str, path)))
