"""Work for people: read, opened, noted upon, closed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.api import repeats, store
from worker.api.asking import Day, Number, Paged, Printable
from worker.api.frame import Asked, Frame, Instance, Sent, must_match, tag_of
from worker.api.paging import Order, Wanted
from worker.api.problems import Fault, RefusedError, missing, unfit
from worker.api.repeats import Done
from worker.api.shapes import Account, Licence, Page, Task
from worker.catalogue.records import accounts, licences
from worker.db.engine import reading
from worker.kernel.dates import civil_date, zone
from worker.kernel.keys import new_attempt_id
from worker.worklist import people, rules
from worker.worklist import store as worklist
from worker.worklist.kinds import BY_HAND
from worker.worklist.records import tasks
from worker.worklist.rules import LONGEST_NOTE, LONGEST_TITLE, Ending

_ORDER = Order([tasks.c.id])
_UNSAFE = "\x7f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def _safe(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not blank")
    if any(sign in _UNSAFE or (sign < " " and sign != "\n") for sign in text):
        raise ValueError("plain text, without control characters")
    return text.strip()


Line = Annotated[str, Field(min_length=1, max_length=LONGEST_TITLE), AfterValidator(_safe)]
Lines = Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE), AfterValidator(_safe)]
Name = Annotated[Printable, Field(description="a key of staff")]


class Tasks(Paged):
    """Which tasks."""

    state: Literal["open", "closed"] = "open"
    kind: Printable | None = None
    assignee: Printable | None = None
    account: Printable | None = None
    licence: Printable | None = None


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaskGiven(_Sent):
    """A task to open. ``key`` says what it is about: while one with it is open, that one is the
    answer."""

    title: Line
    detail: Lines | None = None
    key: Annotated[Printable | None, Field(max_length=200)] = None
    account: Printable | None = None
    licence: Printable | None = None
    assignee: Name | None = None
    due_on: Day | None = None


class Closing(_Sent):
    """What came of a task: a word that fits its kind (the first one of the kind when none is
    given), and what there is to say of it. Some outcomes ask for a reason, some for a day."""

    outcome: Line | None = None
    note: Lines | None = None
    why: Line | None = None
    until: Day | None = None


class Note(_Sent):
    """What there is to say of a task."""

    note: Lines


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations on tasks."""
    reader = frame.asked()
    new, closing, noting = frame.sent(TaskGiven), frame.sent(Closing), frame.sent(Note)

    @router.get("/tasks", response_model=Page[Task], tags=["tasks"])
    def list_tasks(query: Annotated[Tasks, Query()], asked: Asked = reader) -> Response:
        """Tasks, in the order in which they were opened."""
        is_closed = tasks.c.closed_at.is_not(None)
        found: list[ColumnElement[bool]] = []
        found.append(is_closed if query.state == "closed" else tasks.c.closed_at.is_(None))
        filters = {
            tasks.c.kind: query.kind,
            tasks.c.assignee: query.assignee,
            accounts.c.key: query.account,
            licences.c.key: query.licence,
        }
        found += [column == value for column, value in filters.items() if value is not None]
        rows = store.query_of(Task, *_ORDER.columns).where(*found)
        wanted = Wanted(asked.request.url.path, query.filters(), query.cursor, query.limit)
        with reading(asked.engine) as conn:
            page = wanted.page(conn, rows, _ORDER, lambda row: store.shaped(Task, row))
        return frame.say(asked, page)

    @router.get("/tasks/{number}", response_model=Task, tags=["tasks"])
    def read_task(number: Number, asked: Asked = reader) -> Response:
        """One task."""
        with reading(asked.engine) as conn:
            found = _task(conn, number)
        return frame.say(asked, found, tag=tag_of(found))

    @router.post("/tasks", response_model=Task, status_code=201, tags=["tasks"])
    def open_task(asked: Sent[TaskGiven] = new) -> Response:
        """Opens a task."""
        return repeats.once(frame, asked, lambda conn: _open(conn, asked))

    @router.post("/tasks/{number}/close", response_model=Task, tags=["tasks"])
    def close_task(number: Number, asked: Sent[Closing] = closing) -> Response:
        """Closes a task; what waited for it goes on."""
        return repeats.once(frame, asked, lambda conn: _close(conn, asked, number, frame.app))

    @router.post("/tasks/{number}/note", response_model=Task, tags=["tasks"])
    def note_on_task(number: Number, asked: Sent[Note] = noting) -> Response:
        """Adds to a task's history."""
        return repeats.once(frame, asked, lambda conn: _note(conn, asked, number))


def _task(conn: Connection, number: int) -> dict[str, Any]:
    found = store.one(conn, Task, tasks.c.id == number)
    if found is None:
        raise missing(f"task {number}")
    return found


def _open(conn: Connection, asked: Sent[TaskGiven]) -> Done:
    given = asked.content
    key = f"api:{given.key or new_attempt_id()}"
    licence_id, account_id = _about(conn, given)
    before = store.one(conn, Task, (tasks.c.key == key) & tasks.c.closed_at.is_(None))
    if before is not None:
        return Done(before, tag=tag_of(before), headers=_at(before))
    task = worklist.NewTask(
        key=key,
        kind=BY_HAND,
        title=given.title,
        detail=given.detail,
        account_id=account_id,
        licence_id=licence_id,
        assignee=people.find(conn, given.assignee) if given.assignee else None,
        due_on=given.due_on,
        opened_by=asked.name,
    )
    worklist.open_tasks(conn, [task], asked.now)
    made = _task(conn, worklist.number_of(conn, key))
    _log(conn, asked, made["id"], "opened")
    return Done(made, 201, tag_of(made), _at(made))


def _about(conn: Connection, given: TaskGiven) -> tuple[int | None, int | None]:
    """The licence and the account that a task is about: a licence brings its own account."""
    faults: list[Fault] = []
    licence_id = store.id_of(conn, Licence, given.licence) if given.licence else None
    if given.licence and licence_id is None:
        faults.append(Fault("body: /licence", "a licence of the book", ascii(given.licence)))
    account = given.account
    if licence_id is not None and account is None:
        found = store.by_key(conn, Licence, given.licence or "")
        account = found["account"] if found else None
    account_id = store.id_of(conn, Account, account) if account else None
    if account and account_id is None:
        faults.append(Fault("body: /account", "an account of the book", ascii(account)))
    if given.assignee and people.find(conn, given.assignee) is None:
        faults.append(Fault("body: /assignee", "a member of staff", ascii(given.assignee)))
    if faults:
        raise unfit(faults)
    return licence_id, account_id


def _at(task: dict[str, Any]) -> dict[str, str]:
    return {"Location": f"/api/v1/tasks/{task['id']}"}


def _close(conn: Connection, asked: Sent[Closing], number: int, app: Instance) -> Done:
    task, given = _held(conn, asked, number), asked.content
    outcome = given.outcome or rules.usual_outcome(task["kind"])
    ending = Ending(outcome, given.note or "", given.why or "", given.until)
    today = civil_date(asked.now, zone(app.settings.book.timezone))
    against = rules.against_ending(task["kind"], ending, today)
    if against:
        raise unfit([_fault(against, given, outcome)])
    told = ending.told()
    worklist.close_seen(conn, number, task["version"], outcome, asked.name, told, asked.now)
    app.hear_closed(conn, worklist.one(conn, number), ending, asked.name, asked.now)
    return _done(conn, asked, number, "closed")


def _fault(against: str, given: Closing, outcome: str) -> Fault:
    """Where the fault is, as its sentence begins."""
    name = against.partition(":")[0]
    if name in ("why", "until"):
        got = getattr(given, name)
        return Fault(f"body: /{name}", "what its outcome asks for", str(got or "nothing"), against)
    return Fault("body: /outcome", "an outcome of its kind", ascii(outcome), against)


def _note(conn: Connection, asked: Sent[Note], number: int) -> Done:
    task = _held(conn, asked, number)
    worklist.change(conn, number, task["version"], {})
    worklist.tell_history(conn, [number], asked.name, "noted", asked.content.note, asked.now)
    return _done(conn, asked, number, "noted")


def _held(conn: Connection, asked: Sent[Any], number: int) -> dict[str, Any]:
    """The task, open, which nobody else changes before we have; raises ``RefusedError`` where there
    is none, or where it is not as the sender saw it."""
    conn.execute(tasks.select().where(tasks.c.id == number).with_for_update())
    task = _task(conn, number)
    must_match(asked.request, task)
    if task["closed_at"] is not None:
        raise RefusedError(409, f"Task {number} is closed already; read it to see what came of it.")
    return task


def _done(conn: Connection, asked: Sent[Any], number: int, what: str) -> Done:
    _log(conn, asked, number, what)
    after = _task(conn, number)
    return Done(after, tag=tag_of(after))


def _log(conn: Connection, asked: Sent[Any], number: int, what: str) -> None:
    """The log holds no words of people; they stand in the task's history alone."""
    audit.note(conn, asked.by, f"task.{what}", f"task {number}", asked.now)
