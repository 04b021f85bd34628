"""Reading the folder of templates, and what a schedule version pins of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.templating.small import MAIL, SHIPPED, lay, texts
from worker.templating.texts import TemplatesError, languages, mails, needed, read_folder


def test_only_mails_and_shared_files_are_read(tmp_path: Path) -> None:
    found = texts(layout_html="l")
    extra = {f"{MAIL}/en/notes.md": "x", "pages/a/en/body.html": "x", "README.md": "x"}
    assert read_folder(lay(tmp_path, found | extra)) == found


def test_the_shipped_mails_are_there_in_three_languages() -> None:
    found = read_folder(SHIPPED)
    assert mails(found) == {
        *("renewal/heads-up", "renewal/quote", "renewal/reminder", "renewal/last-call"),
        *("renewal/grace", "renewal/lapsed", "renewal/renewed"),
        *("auto-renewal/notice", "auto-renewal/last-days", "commercial/early-renewal"),
        "reactivation/we-miss-you",
        *("survey/renewal", "survey/relationship"),
        *("feedback/told", "feedback/digest"),
    }
    assert {languages(found, mail) for mail in mails(found)} == {("en", "pl", "ru")}


def test_a_mail_needs_its_own_files_in_all_languages_and_what_they_refer_to() -> None:
    found = {
        **texts(html="{%- extends 'layout.html' -%}", layout_html='{% include "foot.html" %}'),
        "foot.html": "",
        "unused.html": "",
        f"{MAIL}/pl/body.txt": "",
        "renewal/tested/en/body.txt": "",
    }
    unneeded = {"unused.html", "renewal/tested/en/body.txt"}
    assert needed(found, MAIL).keys() == found.keys() - unneeded


def test_a_mail_takes_along_the_files_that_it_shares_with_others() -> None:
    found = read_folder(SHIPPED)
    pinned = needed(found, "renewal/grace")
    assert {"layout.html", "shared/pl/licences.html", "shared/ru/outcome.txt"} <= pinned.keys()
    assert "shared/en/renewed-licences.txt" not in pinned
    thanks = needed(found, "renewal/renewed")
    assert {"shared/en/renewed-licences.txt", "renewal/renewed/en/hold-cancelled.txt"} <= {*thanks}


def test_only_html_and_text_in_the_folder_of_a_language_is_shared(tmp_path: Path) -> None:
    found = texts() | {"shared/en/a.html": "x", "shared/en/a.txt": "x"}
    other = {"shared/a.txt": "x", "shared/en/a.md": "x", "shared/en/deeper/body.txt": "x"}
    assert read_folder(lay(tmp_path, found | other)) == found


def test_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    root = lay(tmp_path, texts())
    (root / MAIL / "en" / "body.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r")
    assert read_folder(root)[f"{MAIL}/en/body.txt"] == "a\nb\n"


def test_files_in_another_encoding_are_refused_all_at_once(tmp_path: Path) -> None:
    root = lay(tmp_path, texts())
    for part in ("body.txt", "body.html"):
        (root / MAIL / "en" / part).write_bytes("ё".encode("utf-16"))
    with pytest.raises(TemplatesError) as caught:
        read_folder(root)
    assert [problem.file for problem in caught.value.problems] == [
        "templates/renewal/test/en/body.html",
        "templates/renewal/test/en/body.txt",
    ]
