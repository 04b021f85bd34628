"""The shipped mails: what they say on which day, and in which words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.templating.small import SHIPPED
from worker.templating import markup
from worker.templating.context import MailContext
from worker.templating.render import Rendered, Renderer
from worker.templating.samples import (
    LETTERS,
    asking,
    bare,
    commercial,
    contexts,
    full,
    letter,
    letters,
    linked,
    mixed,
    surveys,
    without,
)
from worker.templating.texts import mails, read_folder

_TEXTS = read_folder(SHIPPED)
_RENDERER = Renderer(_TEXTS)
ASKING = ("survey/relationship", "survey/renewal")
ALONE = ("reactivation/we-miss-you",)
"""Mails that are about no licence."""
ALL = sorted(mails(_TEXTS) - {*LETTERS, *ASKING, *ALONE})
MAILS = ("renewal/heads-up", "renewal/reminder", "renewal/last-call", "renewal/grace")
BEFORE = ("renewal/heads-up", "renewal/quote", "renewal/reminder", "renewal/last-call")
RENEWING = sorted({*ALL} - {"renewal/renewed"})
LANGUAGES = ("en", "pl", "ru")


def written(mail: str, language: str, context: MailContext) -> Rendered:
    return _RENDERER.render(mail, language, context)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def prose(text: str) -> str:
    """The text without the aligned lines about one licence."""
    return re.sub(r"^  \S.*?:  +", "  ", text, flags=re.M)


@pytest.mark.parametrize("mail", ALL)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_case_reads_without_gaps_and_names_the_sender(mail: str, language: str) -> None:
    for context in contexts():
        made = written(mail, language, context)
        assert made.language == language
        assert "None" not in made.text + made.html
        assert not re.search(
            r" ,|\( *\)|  +\n|\n\n\n|: *\n  [^ ]|\.\.|[^ \n]  [^ ]", prose(made.text)
        )
        assert markup.faults(made.html) == []
        for text in (made.text, made.html):
            assert context.sender.name in text
            assert context.account.name in text
            assert all(licence.key in text for licence in context.listed)


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
        ("en", "Dear Anna Nowak,\n\n", "Hello,\n\n"),
        ("pl", "Sz. P. Anna Nowak\n\nDzień dobry,\n\n", "Dzień dobry,\n\n"),
        ("ru", "Здравствуйте, Anna Nowak!\n\n", "Здравствуйте!\n\n"),
    ],
)
def test_the_greeting_is_right_with_and_without_a_name(
    language: str, greeting: str, without_name: str
) -> None:
    for mail in ALL:
        assert written(mail, language, full()).text.startswith(greeting)
        nameless = without("contact.name", full())
        assert written(mail, language, nameless).text.startswith(without_name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_button_where_a_renewal_link_is_known_and_a_reply_otherwise(language: str) -> None:
    for mail in RENEWING:
        with_link = written(mail, language, full())
        assert with_link.html.count("https://renew.example.com") == 1
        assert with_link.text.count("https://renew.example.com") == 1
        no_link = written(mail, language, without("licence.renew_url", full()))
        assert "http" not in no_link.text
        assert re.search("reply to this mail|odpowiedzieć na tę|ответьте на это", no_link.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_that_asks_leads_to_the_answer_page_once(language: str) -> None:
    for mail in RENEWING:
        for context in (full(), full(auto_renew=True), full(licences=3), mixed(), bare()):
            made = written(mail, language, linked(context))
            assert made.text.count("https://renewals.example.com/a/abc.def") == 1
            assert made.html.count("https://renewals.example.com/a/abc.def") == 1
            assert re.search("eply to this mail|odpowiedzieć na tę|ответить на это", made.text)
    assert "/a/" not in written("renewal/renewed", language, linked(full())).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_leads_to_the_clients_own_choices(language: str) -> None:
    for mail in ALL:
        made = written(mail, language, linked(full()))
        assert made.text.count("https://renewals.example.com/p/abc.def") == 1
        assert made.html.count("https://renewals.example.com/p/abc.def") == 1
        assert "/p/" not in written(mail, language, full()).text
        offer = written(mail, language, linked(commercial(full())))
        assert offer.text.count("https://renewals.example.com/u/abc.def") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_prices_and_quantity_stand_where_they_are_known(language: str) -> None:
    price = {"en": "€1,240.00", "pl": "1 240,00 €", "ru": "1 240,00 €"}[language]
    after = price.replace("240", "302").replace("00 €", "50 €").replace(".00", ".50")
    for mail in RENEWING:
        known = plain(written(mail, language, full()).text)
        assert price in known
        assert after in known
        unknown = plain(written(mail, language, bare()).text)
        assert "€" not in unknown


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_licence_that_renews_by_itself_is_not_announced_as_lost(language: str) -> None:
    for mail in BEFORE:
        for context in (full(auto_renew=True), full(licences=3, auto_renew=True)):
            made = written(mail, language, context)
            assert re.search("renews? auto|automatyczn|[Аа]втоматическое", made.subject)
            assert not re.search("nothing is done|nie zostanie|не будет продлена", made.text)
            assert "http" not in made.text


def test_the_wrong_person_is_asked_to_say_so() -> None:
    for mail in ALL:
        assert "Not the right person? Reply" in written(mail, "en", full()).text
        assert "wskazać właściwą osobę" in written(mail, "pl", full()).html
        assert "к кому нам обратиться" in written(mail, "ru", full()).html


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_product_with_a_very_long_name_still_gets_its_mail(language: str) -> None:
    context = full()
    context = replace(context, licences=(replace(context.licence, product="Långt " * 60),))
    for mail in ALL:
        assert len(written(mail, language, context).subject) <= 200


def test_mails_load_nothing_from_outside() -> None:
    for mail in ALL:
        html = written(mail, "en", full()).html
        assert not re.search(r"<(img|link|script|style)|url\(|@import", html)


@pytest.mark.parametrize("mail", LETTERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_to_who_answered_reads_without_gaps_whatever_is_known(
    mail: str, language: str
) -> None:
    for context in letters():
        made = written(mail, language, context)
        assert made.language == language
        assert "None" not in made.text + made.html
        assert not re.search(r" ,|\( *\)|  +\n|\n\n\n|\.\.|[^ \n]  [^ ]", made.text)
        assert markup.faults(made.html) == []
        for text in (made.text, made.html):
            assert context.sender.name in text
            assert all(words in text for words in context.feedback.words)  # type: ignore[union-attr]
    assert "/u/abc.def" in written(mail, language, linked(letter())).text


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Thank you for your answer of January 21, 2027."),
        ("pl", "dziękujemy za Państwa odpowiedź z 21 stycznia 2027 r."),
        ("ru", "Спасибо за ваш ответ от 21 января 2027 г."),
    ],
)
def test_whoever_answered_reads_the_own_words_and_then_what_was_done(
    language: str, said: str
) -> None:
    text = plain(written("feedback/told", language, letter()).text)
    places = [text.index(one) for one in (said, "Nobody calls back.", "a second person")]
    assert places == sorted(places)


# --- what each mail of the cadence is there for ---------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "context", "said"),
    [
        ("renewal/heads-up", full(90), "check that the quantity still fits and that you are the"),
        ("renewal/quote", full(60), "We offer you the next term for €1,302.50; the price now is"),
        ("renewal/quote", full(60, 3), "the next term of all 3 licences for €7,815.00 in total"),
        ("renewal/quote", bare(), "We will gladly send you the price for the next term"),
        ("renewal/reminder", full(14), "If you have already renewed, or do not wish to, a short"),
        ("renewal/last-call", full(1), "If you renew by then, the licence stays in force without"),
        ("renewal/lapsed", full(-7), "expired on January 23, 2027, 7 days ago, and has not been"),
        ("renewal/lapsed", full(-30, 3), "The following 3 licences of Northwind Traders expired"),
        ("renewal/renewed", full(395), "has been renewed and is valid until February 29, 2028:"),
        ("renewal/renewed", full(395), "takes the old date out of your calendar"),
        ("auto-renewal/notice", full(39, auto_renew=True), "February 13, 2027, in 14 days:"),
        ("auto-renewal/notice", full(39, auto_renew=True), "If you do nothing, the licence renews"),
        ("auto-renewal/last-days", full(28, auto_renew=True), "only 3 days are left to stop the"),
        ("auto-renewal/last-days", full(25, auto_renew=True), "is the last day to give notice for"),
        ("commercial/early-renewal", full(120), "You can renew it now:"),
    ],
)
def test_each_mail_of_the_cadence_says_what_it_is_for(
    mail: str, context: MailContext, said: str
) -> None:
    assert said in written(mail, "en", context).text


@pytest.mark.parametrize("days_left", [0, 1])
@pytest.mark.parametrize("licences", [1, 3])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_last_call_says_today_and_tomorrow_for_one_licence_and_for_several(
    language: str, licences: int, days_left: int
) -> None:
    word = {"en": "today|tomorrow", "pl": "dzisiaj|jutro", "ru": "сегодня|завтра"}[language]
    subject = written("renewal/last-call", language, full(days_left, licences)).subject
    assert word.split("|")[days_left] in subject
    assert len(subject) < 120


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mail", ["auto-renewal/notice", "auto-renewal/last-days"])
def test_the_deadline_of_a_notice_stands_in_subject_table_and_text(
    mail: str, language: str
) -> None:
    deadline = {"en": "February 2, 2027", "pl": "2 lutego 2027", "ru": "2 февраля 2027 г."}
    for context in (full(28, auto_renew=True), full(28, 3, auto_renew=True)):
        made = written(mail, language, context)
        assert deadline[language] in plain(made.subject)
        assert plain(made.text).count(deadline[language]) >= 2
        assert plain(made.html).count(deadline[language]) >= 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_nobody_is_told_of_days_left_for_a_notice_whose_deadline_is_past(language: str) -> None:
    made = written("auto-renewal/last-days", language, full(20, auto_renew=True))
    assert not re.search("left to|pozosta|[Оо]сталось|mija termin|истекает срок для", made.text)
    assert "2027" in made.subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_commercial_mail_offers_a_way_out_and_a_contractual_one_does_not(language: str) -> None:
    for mail in ALL:
        made = written(mail, language, commercial(full()))
        assert made.text.count("mailto:renewals@example.com?subject=unsubscribe") == 1
        assert made.html.count("mailto:renewals@example.com?subject=unsubscribe") == 1
        assert "unsubscribe%" not in written(mail, language, full()).html
    offer = written("commercial/early-renewal", language, full()).text
    assert re.search("“unsubscribe”|„rezygnacja”|«отписаться»", offer)


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 2, "The following 2 licences of Northwind Traders expire between March 1, 2027"),
        ("pl", 2, "informujemy, że 2 licencje firmy Northwind Traders wygasają w okresie od"),
        ("pl", 5, "informujemy, że 5 licencji firmy Northwind Traders wygasa w okresie od"),
        ("pl", 22, "informujemy, że 22 licencje firmy Northwind Traders wygasają"),
        ("ru", 3, "истекает срок действия 3 лицензий компании Northwind Traders:"),
        ("ru", 21, "истекает срок действия 21 лицензии компании Northwind Traders:"),
    ],
)
def test_many_licences_are_counted_in_the_languages_own_way(
    language: str, count: int, said: str
) -> None:
    assert said in plain(written("renewal/reminder", language, full(30, count)).text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_of_licences_that_renew_by_themselves_among_others_each_is_marked(language: str) -> None:
    made = written("renewal/reminder", language, mixed(30, 4))
    mark = {"en": "renews automatically", "pl": "odnowienie auto", "ru": "продление автоматическое"}
    assert made.text.count(mark[language]) == 2
    assert re.search("renew by themselves|odnawiają się same|продлеваются сами", made.text)


@pytest.mark.parametrize("mail", ASKING)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_that_asks_reads_without_gaps_and_leads_to_its_page(
    mail: str, language: str
) -> None:
    for context in surveys():
        made = written(mail, language, context)
        page = context.survey.url
        assert "None" not in made.text + made.html
        assert not re.search(r" ,|\( *\)|  +\n|\n\n\n|\.\.|[^ \n]  [^ ]", made.text)
        assert markup.faults(made.html) == []
        # Of an anonymous survey every number leads to the same page: no address tells which it was.
        is_anonymous = context.survey.promise == "anonymous"
        chosen = [] if is_anonymous else [str(score) for score in range(11)]
        assert re.findall(r"\?score=(\d+)", made.html) == chosen
        assert made.html.count(f'"{page}"') == (12 if is_anonymous else 1)
        assert made.text.count(page) == 1
        for text in (made.text, made.html):
            assert context.sender.name in text
            assert context.unsubscribe in text
            assert context.preferences_url in text


@pytest.mark.parametrize(
    ("language", "named", "confidential", "anonymous"),
    [
        ("en", "with your name", "never with your name", "is anonymous"),
        ("pl", "z Państwa nazwiskiem", "nigdy z nazwiskiem", "jest anonimowa"),
        ("ru", "с вашим именем", "не с вашим именем", "анонимный"),
    ],
)
def test_a_mail_that_asks_says_what_is_promised(
    language: str, named: str, confidential: str, anonymous: str
) -> None:
    for mail in ASKING:
        said = [
            written(mail, language, asking(full(300), promise)).text
            for promise in ("named", "confidential", "anonymous")
        ]
        assert named in said[0]
        assert confidential in said[1]
        assert confidential not in said[0]
        assert anonymous in said[2]
        assert not any(anonymous in text for text in said[:2])


def test_a_reminder_says_that_it_is_one() -> None:
    for language, word in (("en", "Reminder:"), ("pl", "Przypomnienie:"), ("ru", "Напоминание:")):
        for mail in ASKING:
            first = written(mail, language, asking(full(300)))
            again = written(mail, language, asking(full(300), reminder=True))
            assert again.subject.startswith(word)
            assert not first.subject.startswith(word)
            assert first.text != again.text


@pytest.mark.parametrize("mail", ALONE)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_about_no_licence_reads_without_gaps_and_offers_a_way_out(
    mail: str, language: str
) -> None:
    context = linked(replace(commercial(full()), licences=()))
    made = written(mail, language, context)
    assert made.language == language
    assert "None" not in made.text + made.html
    assert not re.search(r" ,|\( *\)|  +\n|\n\n\n|\.\.|[^ \n]  [^ ]", made.text)
    assert markup.faults(made.html) == []
    for text in (made.text, made.html):
        assert context.sender.name in text
        assert context.account.name in text
        assert context.unsubscribe in text


@pytest.mark.parametrize("mail", sorted(mails(_TEXTS)))
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_company_whose_name_ends_with_a_full_stop_gets_no_second_one(
    mail: str, language: str
) -> None:
    about_none = [linked(replace(commercial(full()), licences=()))]
    special = {**dict.fromkeys(ASKING, surveys), **dict.fromkeys(LETTERS, letters)}
    for context in about_none if mail in ALONE else special.get(mail, contexts)():
        company = replace(context.account, name="Boone’s Opportunity, Inc.")
        made = written(mail, language, replace(context, account=company))
        for text in (made.subject, made.text, made.html):
            assert "Inc.." not in text
