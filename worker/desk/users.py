"""Users: who may sign in, as what; for admins."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from worker.access import people, store
from worker.access.people import ChangedMeanwhileError, Person, person_of
from worker.access.rules import MEANS, FaultsError, Role
from worker.db.engine import reading
from worker.desk import users_store
from worker.desk.frame import READ, Desk, Sent, Visit, missing
from worker.kernel.errors import FindingsError

MOST = 50
_LINES = 10
_FIELDS = ("name", "role", "staff", "email", "openid")


def mount(router: APIRouter, desk: Desk) -> None:
    """The pages about users."""
    _mount_list(router, desk)
    _mount_user(router, desk)
    _mount_changes(router, desk)


def _mount_list(router: APIRouter, desk: Desk) -> None:
    admin, sent = desk.visit(Role.ADMIN), desk.sent(Role.ADMIN)

    @router.api_route("/users", methods=READ)
    def users(asked: Visit = admin, after: str = "") -> Response:
        return _list(desk, asked, after=after)

    @router.post("/users")
    def add(asked: Sent = sent) -> Response:
        """Adds a user, who chooses a password behind a link that is shown once."""
        person = Person(asked.one("login").lower(), *(asked.one(name) for name in _FIELDS))
        try:
            people.add(desk.app.engine, asked.by, person, None, asked.now)
        except FaultsError as error:
            return _list(desk, asked, 422, person, error.faults)
        return _link(desk, asked, person.login, forget_password=False)


def _mount_user(router: APIRouter, desk: Desk) -> None:
    admin, sent = desk.visit(Role.ADMIN), desk.sent(Role.ADMIN)

    @router.api_route("/users/{login}", methods=READ)
    def user(login: str, asked: Visit = admin) -> Response:
        return _user(desk, asked, login)

    @router.post("/users/{login}")
    def change(login: str, asked: Sent = sent) -> Response:
        typed = {name: asked.one(name) for name in _FIELDS if name in asked.fields}
        try:
            people.change(
                desk.app.engine, asked.by, login, typed, asked.now, seen=asked.one("seen")
            )
        except FaultsError as error:
            return _user(desk, asked, login, 422, typed, error.faults)
        except ChangedMeanwhileError as error:
            return _user(desk, asked, login, 409, typed, [str(error)])
        except FindingsError as error:
            return _user(desk, asked, login, 422, typed, [str(error)])
        return desk.see(asked, f"/users/{login}", f"{login} is changed.")


def _mount_changes(router: APIRouter, desk: Desk) -> None:
    sent, app = desk.sent(Role.ADMIN), desk.app

    @router.post("/users/{login}/disable")
    def disable(login: str, asked: Sent = sent) -> Response:
        _require(desk, login)
        try:
            people.disable(app.engine, asked.by, login, asked.now)
        except FindingsError as error:
            return _user(desk, asked, login, 422, {}, [str(error)])
        return desk.see(asked, f"/users/{login}", f"{login} is disabled; their sessions ended.")

    @router.post("/users/{login}/enable")
    def enable(login: str, asked: Sent = sent) -> Response:
        _require(desk, login)
        people.enable(app.engine, asked.by, login, asked.now)
        return desk.see(asked, f"/users/{login}", f"{login} may sign in again.")

    @router.post("/users/{login}/link")
    def link(login: str, asked: Sent = sent) -> Response:
        _require(desk, login)
        try:
            return _link(desk, asked, login, forget_password=asked.one("forget") == "yes")
        except FindingsError as error:
            return _user(desk, asked, login, 422, {}, [str(error)])

    @router.post("/users/{login}/sessions")
    def end_sessions(login: str, asked: Sent = sent) -> Response:
        _require(desk, login)
        ended = people.end_sessions(app.engine, asked.by, login, asked.now)
        said = f"{ended} session{'' if ended == 1 else 's'} of {login} ended."
        return desk.see(asked, f"/users/{login}" if login != asked.seat.login else "/", said)


def _require(desk: Desk, login: str) -> Any:
    with reading(desk.app.engine) as conn:
        row = store.user(conn, login)
    if row is None:
        raise missing(f"user {login!r}")
    return row


def _list(
    desk: Desk,
    asked: Visit,
    status: int = 200,
    typed: Person | None = None,
    faults: list[str] | None = None,
    after: str = "",
) -> Response:
    with reading(desk.app.engine) as conn:
        rows = users_store.some(conn, after, MOST + 1)
        seen = store.last_seen(conn, [row.id for row in rows])
        keys = users_store.staff(conn)
    values: dict[str, Any] = {
        "users": [(row, store.ways_in(row), seen.get(row.id)) for row in rows[:MOST]],
        "older": f"/users?after={rows[MOST - 1].login}" if len(rows) > MOST else "",
        "newer": "/users" if after else "",
        "typed": typed or Person("", "", ""),
        "faults": faults or [],
        "staff": keys,
        "means": MEANS,
        "has_openid": desk.app.settings.web.oidc.issuer is not None,
    }
    return desk.page(asked, "users.html", status, **values)


def _user(
    desk: Desk,
    asked: Visit,
    login: str,
    status: int = 200,
    typed: dict[str, str] | None = None,
    faults: list[str] | None = None,
) -> Response:
    row = _require(desk, login)
    with reading(desk.app.engine) as conn:
        values: dict[str, Any] = {
            "sessions": store.standing(conn, row.id, "session", asked.now),
            "lines": users_store.lines_about(conn, f"user {row.login}", _LINES),
            "staff": users_store.staff(conn),
        }
    stands = person_of(row)
    values |= {
        "user": row,
        "stands": stands,
        "typed": stands._replace(**(typed or {})),
        "is_conflict": status == 409,
        "faults": faults or [],
        "ways": store.ways_in(row),
        "means": MEANS,
        "has_openid": desk.app.settings.web.oidc.issuer is not None,
    }
    return desk.page(asked, "user.html", status, **values)


def _link(desk: Desk, asked: Sent, login: str, *, forget_password: bool) -> Response:
    """A page that shows a link once: it is in no address and in no row."""
    engine, now = desk.app.engine, asked.now
    secret = people.offer_link(engine, asked.by, login, now, forget_password=forget_password)
    row = _require(desk, login)
    url = f"{desk.app.settings.web.base_url}{store.link_of(row, secret)}"
    return desk.page(asked, "user_link.html", user=row, url=url)
