"""What people answered: a list, and one answer with the way to its account's story."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import accounts_store
from worker.desk import surveys_store as store
from worker.desk.frame import READ, Desk, Visit, missing
from worker.desk.paging import PAGE, address, place, placed, tidy
from worker.desk.surveys import themes
from worker.surveys import rules
from worker.surveys.numbers import DETRACTOR, PASSIVE, PROMOTER
from worker.surveys.records import responses

VOTES = {PROMOTER: 1, PASSIVE: 0, DETRACTOR: -1}
PROMISED = {
    rules.NAMED: "Named: the person knows that we see whose answer it is.",
    rules.CONFIDENTIAL: "Confidential: we see the account and the role. The person was promised "
    "not to be seen here; do not ask around.",
    rules.ANONYMOUS: "Anonymous: nothing leads to whoever gave it. The day is the one on which "
    "five or more such answers came out together.",
}
FURTHER = {
    "improve": "What should change",
    "value": "What is valued most",
    "communication": "What is missed in keeping in touch",
}
"""What our own pages ask besides, in short; other questions are shown as they came."""
_SCHEDULES = accounts_store.values_of(responses.c.schedule)
_SEGMENTS = accounts_store.values_of(responses.c.segment)
TONES = {1: "good", 0: "soft", -1: "bad"}
_LARGEST = 2**62


def mount(router: APIRouter, desk: Desk) -> None:
    """The list and the page of one answer."""
    viewer, reader = desk.visit(Role.VIEWER), themes(desk)
    shown: dict[str, Any] = {
        "themes": reader.names,
        "groups": {vote: name for name, vote in VOTES.items()},
        "tones": TONES,
        "anonymous": rules.ANONYMOUS,
        "asked_further": FURTHER,
    }

    @router.api_route("/surveys/answers", methods=READ)
    def listed(
        asked: Visit = viewer,
        group: str = "",
        theme: str = "",
        segment: str = "",
        schedule: str = "",
        account: str = "",
        after: str = "",
    ) -> Response:
        filters = {"group": group if group in VOTES else "", "theme": tidy(theme)}
        filters |= {"segment": tidy(segment), "schedule": tidy(schedule), "account": tidy(account)}
        chosen = {name: filters[name] or None for name in ("theme", "segment", "schedule")}
        wanted = store.Wanted(
            VOTES.get(filters["group"]), **chosen, account=filters["account"] or None
        )
        before = placed(after, date, int)
        with reading(desk.app.engine) as conn:
            rows = store.answers(conn, wanted, before, PAGE + 1)
            some = rows[:PAGE]
            values: dict[str, Any] = {
                "rows": some,
                "spoken": store.themes_of(conn, [row.id for row in some]),
                "segments": _SEGMENTS.scalars(conn),
                "schedules": _SCHEDULES.scalars(conn),
            }
        more = place(some[-1].answered_on, some[-1].id) if len(rows) > PAGE else ""
        older = address("/surveys/answers", filters | {"after": more}) if more else ""
        newer = address("/surveys/answers", filters) if after else ""
        return desk.page(
            asked,
            "survey_answers.html",
            **values,
            **shown,
            filters=filters,
            votes=VOTES,
            older=older,
            newer=newer,
        )

    @router.api_route("/surveys/answers/{id_}", methods=READ)
    def one(id_: int, asked: Visit = viewer) -> Response:
        with reading(desk.app.engine) as conn:
            row = store.answer(conn, id_) if 0 < id_ < _LARGEST else None
            if row is None:
                raise missing("answer of that number")
            others = store.others_of(conn, row.account_id, row.id) if row.account_id else ()
            values = {
                "row": row,
                "asked_on": store.asked_on(conn, row.id),
                "spoken": store.themes_of(conn, [row.id]),
                "others": others,
            }
        return desk.page(
            asked, "survey_answer.html", **values, **shown, promised=PROMISED[row.promise]
        )
