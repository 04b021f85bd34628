"""The two shipped mails: what they say on which day, and in which words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.templating.small import SHIPPED
from worker.templating import markup
from worker.templating.context import MailContext
from worker.templating.render import Rendered, Renderer
from worker.templating.samples import bare, contexts, full, without
from worker.templating.texts import read_folder

_RENDERER = Renderer(read_folder(SHIPPED))
MAILS = ("renewal/heads-up", "renewal/grace")
LANGUAGES = ("en", "pl", "ru")


def written(mail: str, language: str, context: MailContext) -> Rendered:
    return _RENDERER.render(mail, language, context)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize("mail", MAILS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_case_reads_without_gaps_and_names_the_sender(mail: str, language: str) -> None:
    for context in contexts():
        made = written(mail, language, context)
        assert made.language == language
        assert "None" not in made.text + made.html
        assert not re.search(r" ,|\( *\)|  +\n|\n\n\n|: *\n  [^ ]|\.\.", made.text)
        assert markup.faults(made.html) == []
        for text in (made.text, made.html):
            assert context.sender.name in text
            assert context.account.name in text
            assert all(licence.key in text for licence in context.licences)


@pytest.mark.parametrize(
    ("language", "days_left", "said"),
    [
        ("en", 30, "expires in 30 days, on March 1, 2027:"),
        ("en", 1, "expires tomorrow, on January 31, 2027:"),
        ("en", 0, "expires today, January 30, 2027:"),
        ("en", -1, "expired on January 29, 2027, 1 day ago:"),
        ("pl", 30, "informujemy, że za 30 dni, 1 marca 2027 r., wygasa następująca licencja"),
        ("pl", 2, "informujemy, że za 2 dni, 1 lutego 2027 r., wygasa"),
        ("pl", 1, "informujemy, że jutro, 31 stycznia 2027 r., wygasa"),
        ("pl", 0, "informujemy, że dzisiaj, 30 stycznia 2027 r., wygasa"),
        ("pl", -1, "informujemy, że 29 stycznia 2027 r. (1 dzień temu) wygasła"),
        ("pl", -5, "informujemy, że 25 stycznia 2027 r. (5 dni temu) wygasła"),
        ("ru", 30, "Сообщаем, что через 30 дней, 1 марта 2027 г., истекает срок действия"),
        ("ru", 21, "Сообщаем, что через 21 день, 20 февраля 2027 г., истекает"),
        ("ru", 3, "Сообщаем, что через 3 дня, 2 февраля 2027 г., истекает"),
        ("ru", 1, "Сообщаем, что завтра, 31 января 2027 г., истекает"),
        ("ru", 0, "Сообщаем, что сегодня, 30 января 2027 г., истекает"),
        ("ru", -3, "Сообщаем, что 27 января 2027 г. (3 дня назад) истёк"),
    ],
)
def test_the_days_are_counted_and_said_in_the_languages_own_way(
    language: str, days_left: int, said: str
) -> None:
    for mail in MAILS:
        assert said in plain(written(mail, language, full(days_left)).text)


@pytest.mark.parametrize(
    ("language", "greeting", "without_name"),
    [
        ("en", "Dear Anna Nowak,\n", "Hello,\n"),
        ("pl", "Sz. P. Anna Nowak\n\nDzień dobry,\n", "Dzień dobry,\n"),
        ("ru", "Здравствуйте, Anna Nowak!\n", "Здравствуйте!\n"),
    ],
)
def test_the_greeting_is_right_with_and_without_a_name(
    language: str, greeting: str, without_name: str
) -> None:
    for mail in MAILS:
        assert written(mail, language, full()).text.startswith(greeting)
        nameless = without("contact.name", full())
        assert written(mail, language, nameless).text.startswith(without_name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_button_where_a_renewal_link_is_known_and_a_reply_otherwise(language: str) -> None:
    for mail in MAILS:
        with_link = written(mail, language, full())
        assert with_link.html.count("https://renew.example.com") == 1
        assert with_link.text.count("https://renew.example.com") == 1
        no_link = written(mail, language, without("licence.renew_url", full()))
        assert "http" not in no_link.text
        assert re.search("reply to this mail|odpowiedzieć na tę|ответьте на это", no_link.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_prices_and_quantity_stand_where_they_are_known(language: str) -> None:
    price = {"en": "€1,240.00", "pl": "1 240,00 €", "ru": "1 240,00 €"}[language]
    after = price.replace("240", "302").replace("00 €", "50 €").replace(".00", ".50")
    for mail in MAILS:
        known = plain(written(mail, language, full()).text)
        assert price in known
        assert after in known
        unknown = plain(written(mail, language, bare()).text)
        assert "€" not in unknown


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_licence_that_renews_by_itself_is_not_announced_as_lost(language: str) -> None:
    made = written("renewal/heads-up", language, full(auto_renew=True))
    assert re.search("renews automatically|automatyczne|автоматическое", made.subject)
    assert not re.search("nothing is done|nie zostanie|не будет продлена", made.text)
    assert "http" not in made.text


def test_the_wrong_person_is_asked_to_say_so() -> None:
    for mail in MAILS:
        assert "Not the right person? Reply" in written(mail, "en", full()).text
        assert "wskazać właściwą osobę" in written(mail, "pl", full()).html
        assert "к кому нам обратиться" in written(mail, "ru", full()).html


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_product_with_a_very_long_name_still_gets_its_mail(language: str) -> None:
    context = full()
    context = replace(context, licences=(replace(context.licence, product="Långt " * 60),))
    for mail in MAILS:
        assert len(written(mail, language, context).subject) <= 200


def test_mails_load_nothing_from_outside() -> None:
    for mail in MAILS:
        html = written(mail, "en", full()).html
        assert not re.search(r"<(img|link|script|style)|url\(|@import", html)
