"""The pages of a survey: the question, what follows a score, thanks, a colleague.

A GET chooses a score on the page and leaves a trace of it; only the form counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from worker.clients import survey_flow, survey_rules, survey_store
from worker.clients.serving import Asked as Request
from worker.clients.serving import Desk
from worker.clients.survey_flow import Asked
from worker.clients.survey_writing import Shown
from worker.clients.visiting import Preselection
from worker.db.engine import reading
from worker.kernel.forms import Fields
from worker.links.rules import Purpose
from worker.surveys.themes import reader_of
from worker.templating.questions import questions_of

_NONE: Fields = {}


def show_question(desk: Desk, request: Request) -> Response:
    """The question, with the score chosen that the mail's link names, else the one that stands."""
    with reading(desk.app.engine) as conn:
        asked = _asked(desk, request, conn)
    clicked = survey_rules.read_score(request.request.query_params.getlist("score"))
    standing = asked.standing.score if asked.standing else None
    refused = _over(desk, request, asked)
    if refused:
        return refused
    if clicked is not None and not asked.at_once and request.request.method == "GET":
        agent = request.request.headers.get("user-agent", "")
        desk.preselected.note(
            Preselection(asked.row.id, clicked, agent, asked.now, asked.delivered_at)
        )
    shown = _shown(desk, request, asked)
    chosen = standing if clicked is None else clicked
    return desk.page(desk.surveys.question(shown, chosen, _NONE, ()), shown.language)


def send_score(desk: Desk, request: Request, fields: Fields) -> Response:
    """Records a score and leads to what fits it; where all was asked at once, to the thanks."""
    with desk.app.engine.begin() as conn:
        asked = _asked(desk, request, conn, hold=True)
        refused = _over(desk, request, asked)
        if refused:
            return refused
        shown = _shown(desk, request, asked)
        reader = reader_of(desk.app.settings.surveys.themes)
        score, _, faults = survey_flow.score(conn, asked, fields, shown.texts, reader)
    if score is None or faults:
        html = desk.surveys.question(shown, score, fields, faults)
        return desk.page(html, shown.language, 422)
    if asked.at_once:
        return desk.page(desk.surveys.thanks(shown, score), shown.language)
    return desk.see(f"{request.token}/more")


def show_more(desk: Desk, request: Request) -> Response:
    """The question that fits the score; without one, the way back."""
    with reading(desk.app.engine) as conn:
        asked = _asked(desk, request, conn)
    refused = _over(desk, request, asked)
    if refused or asked.standing is None:
        return refused or desk.see(f"../{request.token}")
    shown = _shown(desk, request, asked, "..")
    return desk.page(desk.surveys.more(shown), shown.language)


def send_more(desk: Desk, request: Request, fields: Fields) -> Response:
    """Records the words that follow a score."""
    with desk.app.engine.begin() as conn:
        asked = _asked(desk, request, conn, hold=True)
        refused = _over(desk, request, asked)
        if refused or asked.standing is None:
            return refused or desk.see(f"../{request.token}")
        texts = _shown(desk, request, asked).texts
        reader = reader_of(desk.app.settings.surveys.themes)
        survey_flow.more(conn, asked, fields, texts, reader)
    return desk.see("thanks")


def show_thanks(desk: Desk, request: Request) -> Response:
    """The thanks that fit the score."""
    with reading(desk.app.engine) as conn:
        asked = _asked(desk, request, conn)
    if asked.standing is None:
        return desk.see(f"../{request.token}")
    shown = _shown(desk, request, asked, "..")
    return desk.page(desk.surveys.thanks(shown, asked.standing.score), shown.language)


def show_colleague(desk: Desk, request: Request) -> Response:
    """Passing the question on, with the links that were made so far."""
    return _colleague(desk, request, _NONE, ())


def send_colleague(desk: Desk, request: Request, fields: Fields) -> Response:
    """Makes a link for a colleague."""
    with desk.app.engine.begin() as conn:
        asked = _asked(desk, request, conn, hold=True)
        if asked.is_closed or asked.was_passed_on:
            return desk.see(f"../{request.token}")
        faults = survey_flow.pass_on(conn, asked, fields)
    return _colleague(desk, request, fields, faults) if faults else desk.see("colleague")


def _colleague(desk: Desk, request: Request, fields: Fields, faults: Any) -> Response:
    with reading(desk.app.engine) as conn:
        asked = _asked(desk, request, conn)
        made = survey_store.passed_on(conn, asked.row.id)
    if asked.is_closed or asked.was_passed_on:
        return desk.see(f"../{request.token}")
    assert desk.links is not None  # or no link would have been read
    passed_on = [
        (one.name, desk.links.url(Purpose.SURVEY, one.mail_key, one.contact_id, one.asked_at))
        for one in made
    ]
    shown = _shown(desk, request, asked, "..")
    html = desk.surveys.colleague(shown, passed_on, fields, faults)
    return desk.page(html, shown.language, 422 if faults else 200)


def _asked(desk: Desk, request: Request, conn: Any, *, hold: bool = False) -> Asked:
    now = desk.app.clock.now()
    return survey_flow.asked_of(conn, request.subject, desk.defaults, now, hold=hold)


def _over(desk: Desk, request: Request, asked: Asked) -> Response | None:
    """The page that says why nothing can be answered any more, if that is so."""
    language = desk.language(request.request, asked.languages)
    if asked.is_closed:
        return desk.page(desk.surveys.over(language, "closed", asked.closes_on), language, 410)
    if asked.is_final:
        return desk.page(desk.surveys.over(language, "answered"), language)
    return None


def _shown(desk: Desk, request: Request, asked: Asked, up: str = "") -> Shown:
    """What the pages share; ``up`` leads from a page that comes after to the question's folder."""
    language = desk.language(request.request, asked.languages)
    folder = desk.app.root / "templates"
    texts = questions_of(folder, asked.row.survey, *asked.languages, language)
    return Shown(language, texts, asked, _links(desk, request, asked, up))


def _links(desk: Desk, request: Request, asked: Asked, up: str) -> Mapping[str, str]:
    question = f"{up}/{request.token}" if up else request.token
    root = f"{up}/.." if up else ".."
    return {
        "question": question,
        "thanks": f"{question}/thanks",
        # Whoever got the question from a colleague passes it on no further, and has no mail.
        "colleague": "" if asked.was_passed_on else f"{question}/colleague",
        "preferences": desk.preferences(request, root) if asked.mails else "",
    }
