"""What is one's own: where one is signed in, and the password."""

from __future__ import annotations

from fastapi import APIRouter, Response

from worker.access import flow, passwords, people, store
from worker.access.rules import FaultsError, Role
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Sent, Visit


def mount(router: APIRouter, desk: Desk) -> None:
    """The page about the person who is signed in."""
    viewer, sent, app = desk.visit(Role.VIEWER), desk.sent(Role.VIEWER), desk.app

    @router.api_route("/me", methods=READ)
    def me(asked: Visit = viewer) -> Response:
        return _me(desk, asked)

    @router.post("/me/password")
    def password(asked: Sent = sent) -> Response:
        try:
            _change(desk, asked)
        except FaultsError as error:
            return _me(desk, asked, 422, error.faults)
        except passwords.BusyError as error:
            return _me(desk, asked, 503, [str(error)])
        return desk.see(asked, "/me", "The password is changed; other sessions have ended.")

    @router.post("/me/sessions/end")
    def end(asked: Sent = sent) -> Response:
        ended = flow.revoke(app.engine, asked.seat, asked.one("session"), asked.now)
        return desk.see(asked, "/me", "That session has ended." if ended else "It had ended.")

    @router.post("/me/sessions/end-others")
    def end_others(asked: Sent = sent) -> Response:
        flow.revoke_others(app.engine, asked.seat, asked.now)
        return desk.see(asked, "/me", "All other sessions have ended.")


def _change(desk: Desk, asked: Sent) -> None:
    """Changes the password of whoever knows the one that they have."""
    engine, login = desk.app.engine, asked.seat.login
    new = asked.as_typed("new")
    with passwords.at_hand():
        found = flow.faults_of_own(engine, login, asked.as_typed("password"), asked.now)
        if new != asked.as_typed("again"):
            found.append("The new password was typed in two ways.")
        found += passwords.faults(new, login)
        if found:
            raise FaultsError(found)
        people.set_password(engine, asked.by, login, new, asked.now, keep=asked.seat.digest)


def _me(desk: Desk, asked: Visit, status: int = 200, faults: list[str] | None = None) -> Response:
    with reading(desk.app.engine) as conn:
        sessions = store.standing(conn, asked.seat.user_id, "session", asked.now)
        row = people.found(conn, asked.seat.login)
    values = {"sessions": sessions, "user": row, "faults": faults or []}
    return desk.page(asked, "me.html", status, ways=store.ways_in(row), **values)
