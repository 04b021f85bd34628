"""Reports as mail servers write them."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText

KEY = "0123456789abcdef"


def original(key: str = KEY, to: str = "anna@example.com") -> EmailMessage:
    """The mail that comes back."""
    mail = EmailMessage()
    mail["From"] = "Renewals <renewals@example.com>"
    mail["To"] = to
    mail["Subject"] = "Your licence"
    mail["Message-ID"] = f"<{key}@example.com>"
    mail.set_content("Good morning.")
    return mail


def report(
    *recipients: Mapping[str, str],
    key: str = KEY,
    headers_only: bool = False,
    returned: bool = True,
    **headers: str,
) -> bytes:
    """A delivery report (RFC 3464) with one group of fields for each recipient."""
    mail = MIMEMultipart("report", report_type="delivery-status")
    mail["From"] = "Mail Delivery System <MAILER-DAEMON@mx.example.com>"
    mail["To"] = "renewals@example.com"
    mail["Subject"] = "Undelivered Mail Returned to Sender"
    mail["Date"] = "Wed, 31 Mar 2027 11:59:00 +0000"
    mail["Message-ID"] = "<report-1@mx.example.com>"
    for name, value in headers.items():
        mail.replace_header(name, value) if name in mail else mail.add_header(name, value)
    mail.attach(MIMEText("I'm sorry to have to inform you …", "plain", "utf-8"))
    status = MIMENonMultipart("message", "delivery-status")
    blocks = [_fields({"Reporting-MTA": "dns; mx.example.com"}), *map(_fields, recipients)]
    status.set_payload(blocks)
    mail.attach(status)
    if returned and headers_only:
        text = "\n".join(f"{name}: {value}" for name, value in original(key).items())
        mail.attach(_text("rfc822-headers", text + "\n"))
    elif returned:
        mail.attach(MIMEMessage(original(key)))
    return mail.as_bytes()


def complaint(type_: str = "abuse", key: str = KEY, to: str = "anna@example.com") -> bytes:
    """A complaint in the Abuse Reporting Format (RFC 5965)."""
    mail = MIMEMultipart("report", report_type="feedback-report")
    mail["From"] = "feedback@isp.example.net"
    mail["Message-ID"] = "<arf-1@isp.example.net>"
    mail["Date"] = "Wed, 31 Mar 2027 11:59:00 +0000"
    mail.attach(MIMEText("This is an email abuse report."))
    part = MIMENonMultipart("message", "feedback-report")
    part.set_payload(
        [_fields({"Feedback-Type": type_, "Version": "1", "Original-Rcpt-To": f"<{to}>"})]
    )
    mail.attach(part)
    mail.attach(MIMEMessage(original(key)))
    return mail.as_bytes()


def failed(
    to: str = "anna@example.com", status: str = "5.1.1", said: str = "", **more: str
) -> dict[str, str]:
    """The fields of a recipient whom the mail could not reach."""
    fields = {"Final-Recipient": f"rfc822; {to}", "Action": "failed", "Status": status}
    if said:
        fields["Diagnostic-Code"] = f"smtp; {said}"
    return fields | {name.replace("_", "-"): value for name, value in more.items()}


def _fields(said: Mapping[str, str]) -> Message:
    block = Message()
    for name, value in said.items():
        block[name] = value
    return block


def _text(subtype: str, text: str) -> MIMENonMultipart:
    part = MIMENonMultipart("text", subtype)
    part.set_payload(text)
    return part
