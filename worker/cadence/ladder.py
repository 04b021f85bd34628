"""Whom a mail reaches: the first rung of its ladder that has anybody reachable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import people_store
from worker.cadence.kinds.contract import Action
from worker.catalogue import suppressions
from worker.catalogue.stops import Stops, standing_about

RESELLER = "reseller"
_DEAD = (suppressions.BOUNCED, suppressions.COMPLAINED)


class Rung(NamedTuple):
    """The contacts that a mail goes to. With none, ``silenced`` says whose wish keeps those who are
    known from being written to (``opt-out``, ``stopped`` …); ``None``: nobody can be reached."""

    contacts: Sequence[Row[Any]]
    silenced: str | None = None


@dataclass(frozen=True, slots=True)
class People:
    """The contacts of some accounts, and those of the resellers that serve them."""

    own: Mapping[int, Sequence[Row[Any]]]
    resellers: Mapping[str, Sequence[Row[Any]]]
    stops: Stops

    @classmethod
    def around(
        cls, conn: Connection, rows: Iterable[Row[Any]], stops: Stops | None = None
    ) -> People:
        """Loads everybody who may be reached about licences; rows have licence_ and account_
        columns. Without the ``stops`` that stand, those are read which are about these people."""
        own: dict[int, list[Row[Any]]] = defaultdict(list)
        agents: dict[str, list[Row[Any]]] = defaultdict(list)
        known = list(rows)
        for contact in people_store.contacts_of(conn, sorted({row.account_id for row in known})):
            own[contact.account_id].append(contact)
        keys = sorted({row.account_reseller for row in known if row.account_reseller})
        for contact in people_store.contacts_of_keys(conn, keys):
            agents[contact.account_key].append(contact)
        if stops is None:
            ids = [one.id for some in (*own.values(), *agents.values()) for one in some]
            stops = standing_about(conn, "contact", ids)
        return cls(own, agents, stops)

    def rung(self, action: Action) -> Rung:
        """Who gets the mail of this step."""
        return self._first(action, self._climbed(action, action.decision.step.keys.to))

    def everybody(self, action: Action, roles: Sequence[str]) -> Rung:
        """All who can be reached of any of these roles, those named first before the others."""
        found: dict[str, Row[Any]] = {}
        for rung in self._climbed(action, roles):
            for person in rung:
                found.setdefault(person.email, person)
        return self._first(action, [list(found.values())] if found else [])

    def _climbed(self, action: Action, roles: Sequence[str]) -> list[list[Row[Any]]]:
        own = self.own.get(action.row.account_id, ())
        return climb(roles, own, self.resellers.get(action.row.account_reseller or "", ()))

    def _first(self, action: Action, rungs: Sequence[Sequence[Row[Any]]]) -> Rung:
        """The first rung with anybody who may be written to."""
        mail_class = action.line.schedule.mail_class
        today = action.line.calendar.today(action.decision.at)
        silenced: str | None = None
        for people in rungs:
            reasons = [why_silent(p, mail_class, self.stops, today) for p in people]
            open_ = [p for p, why in zip(people, reasons, strict=True) if not why]
            if open_:
                return Rung(open_)
            silenced = silenced or next((why for why in reasons if why not in _DEAD), None)
        return Rung((), silenced)


def climb(
    ladder: Sequence[str], own: Sequence[Row[Any]], agents: Sequence[Row[Any]]
) -> list[list[Row[Any]]]:
    """The rungs of ``ladder`` that have anybody with an address, in order. ``any`` is everybody of
    the account's own; ``reseller``, everybody at its reseller.

    One address is written to once, however many contacts share it.
    """
    rungs = []
    for role in ladder:
        found: dict[str, Row[Any]] = {}
        for person in agents if role == RESELLER else own:
            if person.email and role in (RESELLER, "any", person.role):
                found.setdefault(person.email, person)
        if found:
            rungs.append(list(found.values()))
    return rungs


def why_silent(person: Row[Any], mail_class: str, stops: Stops, today: date) -> str | None:
    """Why this contact is not written to now; ``None`` when it may be: its address bounced or
    complained, staff stopped it, or, for what is not contractual, it opted out or asked for a
    pause. An opt-out from advertising never silences a notice about a contract."""
    if person.silenced:
        return str(person.silenced)
    if stops and stops.hold("contact", person.id, today):
        return "stopped"
    if mail_class == "contractual":
        return None
    chosen = person.no_surveys if mail_class == "survey" else person.no_commercial
    if person.opt_out or chosen:
        return "opt-out"
    return "paused" if person.paused_until and today <= person.paused_until else None
