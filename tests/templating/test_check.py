"""``check``: everything that is wrong with the templates, at once, before a client sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.templating.small import MAIL, SHIPPED, lay, texts
from worker.templating.check import check_folder

EN = "templates/renewal/test/en"


def told(folder: Path, found: dict[str, str]) -> list[str]:
    return [str(problem) for problem in check_folder(lay(folder, found))]


def test_the_shipped_templates_are_in_order() -> None:
    assert check_folder(SHIPPED) == []


def test_a_small_mail_is_in_order(tmp_path: Path) -> None:
    assert told(tmp_path, texts()) == []


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    assert told(tmp_path, {}) == [
        "templates: expected a mail, got nothing; "
        "write e.g. templates/renewal/heads-up/en/subject.txt"
    ]


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    found = texts(
        subject="Two\nlines",
        body="Dear {{ contact.nmae }},\n{{ licence.amount | mony }}\n{{ foo }}\n{% include 'x' %}",
        html='<p>\n<a href="javascript:x">x</a>\n<a href="data:x">x</a></p>',
    )
    assert told(tmp_path, found) == [
        f"{EN}/body.html:2: href: expected a link to http, https or mailto, got 'javascript:x'",
        f"{EN}/body.html:3: href: expected a link to http, https or mailto, got 'data:x'",
        f"{EN}/body.txt:1: contact.nmae: expected a field of contact, got 'nmae'; "
        "did you mean 'name'?",
        f"{EN}/body.txt:2: expected a known filter, got 'mony'; did you mean 'money'?",
        f"{EN}/body.txt:3: foo: expected a known variable, got 'foo'; there are account, "
        "answer_url, auto_renewing, contact, expired, feedback, first_notice_on, first_on, "
        "language, last_on, licence, licence_count, licences, mail_class, more, preferences_url, "
        "renew_url, scores, sender, step, sums, survey, today, unsubscribe",
        f"{EN}/body.txt:4: expected a file to include, got 'x'; paths count from templates/",
        f"{EN}/subject.txt: expected one line of at most 200 characters, got a line break; "
        "join the lines",
    ]


def test_every_value_that_may_be_missing_is_told_in_one_run(tmp_path: Path) -> None:
    body = "Dear {{ contact.name }},\n{{ licence.quantity | number }} x\n{{ licence.renew_url }}"
    assert told(tmp_path, texts(body=body)) == [
        f"{EN}/body.txt:{line}: {name}: expected a value that is always there, got {name}, "
        f"which the book may lack; test it with {{% if {name} %}}, "
        f"or write {{{{ {name} | default('…') }}}}"
        for line, name in enumerate(("contact.name", "licence.quantity", "licence.renew_url"), 1)
    ]


def test_missing_files_and_a_missing_english_are_told(tmp_path: Path) -> None:
    found = {f"{MAIL}/pl/subject.txt": "Temat", f"{MAIL}/pl/body.txt": "Tekst"}
    assert told(tmp_path, found) == [
        "templates/renewal/test: expected the mail in English, got none; "
        "write templates/renewal/test/en/: it is sent when a client's language is missing",
        "templates/renewal/test/pl/body.html: expected the three files subject.txt, body.txt and "
        "body.html, got none; write it",
    ]


def test_a_misspelt_file_and_a_folder_that_is_no_language_are_told(tmp_path: Path) -> None:
    found = texts() | {f"{MAIL}/en/body.htm": "x", f"{MAIL}/polski/body.txt": "x"}
    said = told(tmp_path, found)
    assert f"{EN}/body.htm: expected subject.txt, body.txt or body.html, got body.htm; " in said[0]
    assert said[1] == (
        "templates/renewal/test/polski: expected a folder named after a language, such as en or "
        "pt-BR, got 'polski'; rename it"
    )


def test_a_file_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    root = lay(tmp_path, texts())
    (root / MAIL / "en" / "body.txt").write_bytes("a\nDzień dobry".encode("cp1250"))
    assert [str(problem) for problem in check_folder(root)] == [
        f"{EN}/body.txt:2: expected text in UTF-8, got the byte 0xf1; save the file as UTF-8"
    ]


@pytest.mark.parametrize(
    ("html", "line", "got"),
    [
        ("<div>\n<p>a\n</div>", 2, "<p> opened, but never closed"),
        ("<p>a</p>\n</td>", 2, "<td> closed, but never opened"),
        (
            "{% if step %}\n<b>\n{% endif %}\n<p>x</p>",
            2,
            "<b> opened, but never closed",
        ),
    ],
)
def test_an_unclosed_html_tag_is_told_with_its_line(
    tmp_path: Path, html: str, line: int, got: str
) -> None:
    assert told(tmp_path, texts(html=html)) == [
        f"{EN}/body.html:{line}: expected every tag opened and closed, got {got}"
    ]


def test_a_tag_that_each_branch_opens_is_no_fault(tmp_path: Path) -> None:
    html = "{% if contact.name %}<p>{% else %}<p style='x'>{% endif %}x</p>"
    assert told(tmp_path, texts(html=html)) == []


def test_a_fault_of_the_layout_is_told_in_the_layout(tmp_path: Path) -> None:
    html = "{% extends 'layout.html' %}{% block a %}x{% endblock %}"
    layout = "<div>\n{% block a %}{% endblock %}\n<p>"
    assert told(tmp_path, texts(html=html, layout_html=layout)) == [
        "templates/layout.html:1: expected every tag opened and closed, "
        "got <div> opened, but never closed",
        "templates/layout.html:3: expected every tag opened and closed, "
        "got <p> opened, but never closed",
    ]


def test_an_unclosed_jinja_tag_is_told_with_its_line(tmp_path: Path) -> None:
    (said,) = told(tmp_path, texts(body="a\n{% if step %}\nb"))
    assert said.startswith(f"{EN}/body.txt:3: expected a template that can be read, got Unexpected")


def test_output_without_bounds_is_told(tmp_path: Path) -> None:
    found = texts(subject="{{ 'A'*10**9 }}", body="x" * 5_000_000)
    assert told(tmp_path, found) == [
        f"{EN}/body.txt: expected a file of at most 200,000 characters, got 5,000,000; shorten it",
        f"{EN}/subject.txt:1: expected values that can be printed, "
        "got '*' between things that are not numbers",
    ]


def test_a_mail_that_fails_only_after_the_expiry_date_is_told(tmp_path: Path) -> None:
    (said,) = told(tmp_path, texts(body="in {{ licence.days_left | days }}"))
    assert said == (
        f"{EN}/body.txt:1: expected values that can be printed, "
        "got -1 days, where 0 or more can be counted"
    )


def test_a_shared_file_is_checked_even_when_no_mail_uses_it(tmp_path: Path) -> None:
    (said,) = told(tmp_path, texts(unused_html="{{ foo }}"))
    assert said.startswith("templates/unused.html:1: foo: expected a known variable")


def test_pages_of_the_web_are_not_mails(tmp_path: Path) -> None:
    assert told(tmp_path, texts() | {"pages/a/b/c.html": "{{ nosuch }}"}) == []


@pytest.mark.parametrize(
    ("body", "html", "said"),
    [
        ("{% include 'shared/en/a.html' %}", "<p>x</p>", "body.txt:1: expected a .txt file"),
        ("x", "<p>{% include 'shared/en/a.txt' %}</p>", "body.html:1: expected a .html file"),
        ("x", "{% extends 'shared/en/a.txt' %}", "body.html:1: expected a .html file to extend"),
    ],
)
def test_text_and_html_cannot_be_mixed_because_only_html_escapes(
    tmp_path: Path, body: str, html: str, said: str
) -> None:
    shared = {"shared/en/a.txt": "{{ account.name }}", "shared/en/a.html": "<b>x</b>"}
    (told_,) = told(tmp_path, texts(body=body, html=html) | shared)
    assert told_.startswith(f"{EN}/{said}")


def test_a_fault_of_a_shared_file_is_told_there_and_once(tmp_path: Path) -> None:
    found = texts(body="{% include 'shared/en/a.txt' %}", subject="{% include 'shared/en/a.txt' %}")
    said = told(tmp_path, found | {"shared/en/a.txt": "Dear {{ contact.name }}"})
    assert len(said) == 1
    assert said[0].startswith("templates/shared/en/a.txt:1: contact.name: expected a value that is")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("{{ licence.notice_on }}", "licence.notice_on"),
        ("{{ licence.days_to_notice }}", "licence.days_to_notice"),
        ("{{ licence.previous_term }}", "licence.previous_term"),
        ("{{ unsubscribe }}", "unsubscribe"),
        ("{{ renew_url }}", "renew_url"),
        ("{{ first_notice_on }}", "first_notice_on"),
        ("{% for sum in sums %}{{ sum.next_amount }}{% endfor %}x", "sum.next_amount"),
    ],
)
def test_what_only_some_mails_have_must_be_asked_for_first(
    tmp_path: Path, body: str, name: str
) -> None:
    said = told(tmp_path, texts(body=body))
    assert len(said) == 1
    assert f"{EN}/body.txt:1: {name}: expected a value that is always there" in said[0]


def test_a_mail_that_fails_only_with_many_licences_or_more_than_are_listed_is_told(
    tmp_path: Path,
) -> None:
    many = "x{% if licence_count > 1 %}{{ 1 / 0 }}{% endif %}"
    more = "x{% if more %}{{ 1 / 0 }}{% endif %}"
    for body in (many, more):
        (said,) = told(tmp_path, texts(body=body))
        assert said == f"{EN}/body.txt:1: expected a number, got a division by zero"


def test_a_word_with_a_plural_too_few_is_told(tmp_path: Path) -> None:
    (said,) = told(tmp_path, texts(body="{{ more | plural('licence') }}"))
    assert said.startswith(f"{EN}/body.txt:1: expected values that can be printed, got 1 plural")


def test_a_bad_title_for_calendars_and_a_misspelt_file_for_them_are_told(tmp_path: Path) -> None:
    found = texts() | {f"{MAIL}/en/hold.txt": "{{ contact.name }}", f"{MAIL}/en/holds.txt": "x"}
    said = told(tmp_path, found)
    assert said[0].startswith(f"{EN}/hold.txt:1: contact.name: expected a value that is always")
    assert said[1] == (
        f"{EN}/holds.txt: expected hold.txt, hold-notice.txt or hold-cancelled.txt, got holds.txt; "
        "rename or remove it"
    )


def test_a_file_that_nobody_can_share_is_told(tmp_path: Path) -> None:
    (said,) = told(tmp_path, texts() | {"shared/en/footer.htm": "x"})
    assert said == (
        "templates/shared/en/footer.htm: expected shared/LANGUAGE/ with .html and .txt files, "
        "got footer.htm; rename or remove it"
    )
