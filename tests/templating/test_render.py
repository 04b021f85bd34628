"""Writing a mail: language, escaping, tidy text."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.templating.small import MAIL, SHIPPED, texts, write
from worker.templating.context import LicenceView, MailContext
from worker.templating.render import Rendered, Renderer, RenderError
from worker.templating.samples import full
from worker.templating.texts import read_folder

_SHIPPED = Renderer(read_folder(SHIPPED))


class _Structure(HTMLParser):
    """The tags with their attributes' names, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {' '.join(name for name, _ in attrs)}")
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.words += data


def structure(html: str) -> _Structure:
    parsed = _Structure()
    parsed.feed(html)
    parsed.close()
    return parsed


def named(name: str) -> MailContext:
    context = full()
    return replace(
        context,
        account=replace(context.account, name=name),
        contact=replace(context.contact, name=name),
        sender=replace(context.sender, name=name),
        licences=(replace(context.licence, vendor=name, product=name),),
    )


@pytest.mark.parametrize("name", ["{{ config }}", "{% raw %}", "<script>alert(1)</script>", '"><b'])
def test_a_clients_name_is_printed_and_never_run(name: str) -> None:
    mail = _SHIPPED.render("renewal/heads-up", "en", named(name))
    assert name in mail.text
    assert name not in mail.html or "<" not in name
    assert name in structure(mail.html).words
    assert name in mail.subject


@settings(deadline=None)
@given(name=st.text(min_size=1, max_size=60), email=st.text(max_size=30))
def test_no_text_in_a_name_breaks_out_of_the_html(name: str, email: str) -> None:
    context = named(f"N{name}")
    context = replace(context, contact=replace(context.contact, email=f"a{email}"))
    for mail in ("renewal/heads-up", "renewal/grace"):
        expected = structure(_SHIPPED.part(mail, "pl", "body.html", full()))
        found = structure(_SHIPPED.part(mail, "pl", "body.html", context))
        assert found.tags == expected.tags
        assert found.links == expected.links


@settings(deadline=None)
@given(link=st.text(max_size=60))
def test_a_link_is_either_refused_or_stays_one_link(link: str) -> None:
    context = full()
    context = replace(context, licences=(replace(context.licence, renew_url=f"h{link}"),))
    expected = structure(_SHIPPED.part("renewal/heads-up", "en", "body.html", full()))
    try:
        html = _SHIPPED.part("renewal/heads-up", "en", "body.html", context)
    except RenderError:
        return
    assert structure(html).tags == expected.tags


@pytest.mark.parametrize(
    ("asked", "given_"),
    [
        ("pl", "pl"),
        ("pl-PL", "pl"),
        ("PL_pl", "pl"),
        ("de", "en"),
        (None, "en"),
        ("", "en"),
        (["de", "ru-BY", "pl"], "ru"),
        ([None, "pl"], "pl"),
        (["xx", "yy"], "en"),
        ("p", "en"),
    ],
)
def test_the_language_is_the_first_asked_for_that_exists_then_english(
    asked: str | list[str | None] | None, given_: str
) -> None:
    assert _SHIPPED.render("renewal/heads-up", asked, full()).language == given_


def test_a_regional_language_is_preferred_where_it_exists() -> None:
    found = {
        f"{MAIL}/{language}/{part}": language
        for language in ("en", "pt", "pt-BR")
        for part in ("subject.txt", "body.txt", "body.html")
    }
    renderer = Renderer(found)
    assert renderer.languages(MAIL) == ("en", "pt", "pt-BR")
    assert renderer.render(MAIL, "pt-br", full()).subject == "pt-BR"
    assert renderer.render(MAIL, "pt-PT", full()).subject == "pt"


def test_a_renderer_keeps_the_texts_it_was_given() -> None:
    found = texts(subject="before")
    renderer = Renderer(found)
    found[f"{MAIL}/en/subject.txt"] = "after"
    assert renderer.render(MAIL, "en", full()).subject == "before"


def test_the_text_part_has_no_blank_lines_in_a_row_and_none_at_its_ends() -> None:
    body = (
        "\n\n  {% if step %}\nHello   \n\n{% endif %}\n\n\n{% if not step %}x{% endif %}\n\nBye\n\n"
    )
    assert write(texts(body=body)).text == "Hello\n\nBye\n"


def test_the_text_part_is_not_escaped_and_the_html_is() -> None:
    mail = write(texts(body="{{ account.name }}", html="<p>{{ account.name }}</p>"), named("A&B"))
    assert (mail.text, mail.html) == ("A&B\n", "<p>A&amp;B</p>")


def test_text_joined_to_escaped_text_is_escaped_too() -> None:
    html = "<p>{{ ('<' | e) ~ account.name }} {{ [account.name, '<' | e] | join('<') }}</p>"
    mail = write(texts(html=html), named("<b>"))
    assert mail.html == "<p>&lt;&lt;b&gt; &lt;b&gt;&lt;&lt;</p>"


def test_dates_amounts_and_counts_print_in_the_mails_language() -> None:
    body = "{{ licence.expires_on }}; {{ licence.amount }}; {{ licence.quantity }}; {{ language }}"
    found = texts(body=body) | {
        name.replace("/en/", "/pl/"): text for name, text in texts(body=body).items()
    }
    renderer = Renderer(found)
    assert renderer.render(MAIL, "en", full()).text == "March 1, 2027; 1,240; 25; en\n"
    assert renderer.render(MAIL, "pl", full()).text == "1 marca 2027; 1240; 25; pl\n".replace(
        "1240", "1\u00a0240"
    )


def test_a_mail_about_several_licences_can_list_and_group_them() -> None:
    body = (
        "{% for item in licences | sort(attribute='key', reverse=true) %}"
        "{{ loop.index }}/{{ loop.length }} {{ item.key }}{{ ', ' if not loop.last }}"
        "{% endfor %}; {{ licences | join('+', attribute='key') }}; "
        "{% for vendor, items in licences | groupby('vendor') %}{{ vendor }}: {{ items | length }}"
        "{% endfor %}; {{ licences | map(attribute='amount') | sum | money('EUR') }}"
    )
    assert write(texts(body=body), full(licences=2)).text == (
        "1/2 L-201418, 2/2 L-200418; L-200418+L-201418; Contoso Security: 2; €3,720.00\n"
    )


def test_a_layout_may_be_filled_and_its_own_text_kept() -> None:
    html = "{% extends 'layout.html' %}{% block a %}{{ super() }} {{ account.key }}{% endblock %}"
    mail = write(texts(html=html, layout_html="<p>{% block a %}Base{% endblock %}</p>"))
    assert mail.html == "<p>Base A-1041</p>"


@pytest.mark.parametrize(("days", "left"), [(60, 60), (1, 1), (0, 0), (-1, -1), (-40, -40)])
def test_days_left_are_whole_civil_days_until_the_expiry_date(days: int, left: int) -> None:
    today = date(2027, 3, 20)  # summer time begins in between
    row = {
        **dict.fromkeys(("product", "vendor", "quantity", "amount", "next_amount", "currency")),
        "key": "L",
        "starts_on": None,
        "renew_url": None,
        "auto_renew": 0,
        "expires_on": today + timedelta(days=days),
    }
    assert LicenceView.from_row(row, today).days_left == left


def test_a_mail_about_no_licence_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one licence"):
        replace(full(), licences=())


def test_threads_may_share_a_renderer() -> None:
    renderer = Renderer(read_folder(SHIPPED))
    mails: list[Rendered] = []

    def work(language: str) -> None:
        mails.extend(renderer.render("renewal/grace", language, full(-3)) for _ in range(20))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("en", "pl", "ru") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mails) == 120
    assert len({(mail.language, mail.text) for mail in mails}) == 3
