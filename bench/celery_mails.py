"""The same mails the way they are usually sent: a Celery task for each, with SendGrid's client.

A task reads its row, writes the mail with Jinja2, sends it and commits that it did. There is no
claim and no lease, so a worker that dies loses or doubles mails; that is not measured here.
"""

from __future__ import annotations

import os
from datetime import date
from functools import cache
from typing import Any

from celery import Celery
from sendgrid import SendGridAPIClient
from sendgrid.helpers import mail as api
from sqlalchemy import Engine, create_engine, text

from bench.bare import Writer

app = Celery("mails", broker=os.environ.get("BENCH_BROKER", "redis://127.0.0.1:1"))
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False


@cache
def _tools() -> tuple[Engine, SendGridAPIClient, Writer]:
    engine = create_engine(os.environ["BENCH_DATABASE"])
    return engine, SendGridAPIClient("SG.bench", host=os.environ["BENCH_PROVIDER"]), Writer()


@app.task  # type: ignore[untyped-decorator]
def send(number: int, today: str) -> None:
    """Sends one mail and notes it."""
    engine, sendgrid, writer = _tools()
    with engine.begin() as conn:
        query = text("SELECT * FROM bench_mails WHERE number = :number AND sent_at IS NULL")
        row = conn.execute(query, {"number": number}).mappings().first()
        if row is None:
            return
        answer = sendgrid.send(_mail(writer.payload(row, date.fromisoformat(today))))
        done = text(
            "UPDATE bench_mails SET sent_at = now(), provider_id = :name WHERE number = :number"
        )
        conn.execute(done, {"number": number, "name": answer.headers["X-Message-Id"]})


def _mail(payload: dict[str, Any]) -> api.Mail:
    """The payload by the helpers of SendGrid's library."""
    (person,) = payload["personalizations"]
    (to,) = person["to"]
    made = api.Mail()
    made.from_email = api.From(payload["from"]["email"], payload["from"]["name"])
    made.subject = api.Subject(payload["subject"])
    each = api.Personalization()
    each.add_to(api.To(to["email"], to["name"]))
    for name, value in person["custom_args"].items():
        each.add_custom_arg(api.CustomArg(name, value))
    made.add_personalization(each)
    for name, value in payload["headers"].items():
        made.add_header(api.Header(name, value))
    for part in payload["content"]:
        made.add_content(api.Content(part["type"], part["value"]))
    for file in payload["attachments"]:
        made.add_attachment(api.Attachment(file["content"], file["filename"], file["type"]))
    return made
