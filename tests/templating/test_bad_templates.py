"""Every bad template, with the message that a person sees when its mail is blocked."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import pytest

from tests.templating.small import MAIL, refusal, texts, write
from worker.templating.context import MailContext
from worker.templating.render import Renderer, RenderError
from worker.templating.samples import OPTIONAL, full, without

EN = "templates/renewal/test/en"


def nameless() -> MailContext:
    return without("contact.name", full())


def test_a_missing_name_blocks_the_mail_instead_of_sending_dear_comma() -> None:
    assert refusal(texts(body="Hello\nDear {{ contact.name }},"), nameless()) == (
        f"{EN}/body.txt:2: contact.name: expected a value to print, got none; "
        "test it with {% if contact.name %}, or give it a default"
    )


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0", "\u200b", "\ufeff \u2060"])
def test_a_name_of_blanks_is_a_missing_name(blank: str) -> None:
    context = full()
    context = replace(context, contact=replace(context.contact, name=blank))
    assert "contact.name: expected a value to print" in refusal(
        texts(body="Dear {{ contact.name }},"), context
    )


@pytest.mark.parametrize(
    "printed",
    [
        "{{ contact.name | upper }}",
        "{{ contact.name ~ ',' }}",
        "{{ [contact.name] | join }}",
        "{{ contact['name'] }}",
        "{% for letter in contact.name %}{{ letter }}{% endfor %}",
        "{% set who = contact.name %}Dear {{ who }}",
        "{{ contact.name | length }}",
        "{{ contact.name | title | trim }}",
        "{{ licences | map('upper') | join if not contact.name }}{{ contact.name }}",
    ],
)
def test_no_way_of_printing_lets_a_missing_name_through(printed: str) -> None:
    with pytest.raises(RenderError):
        write(texts(body=f"Dear {printed}, hello"), nameless())


def test_a_missing_amount_or_currency_blocks_the_mail() -> None:
    body = "{{ licence.amount | money(licence.currency) }}"
    assert "licence.amount: expected" in refusal(
        texts(body=body), without("licence.amount", full())
    )
    assert "licence.currency: expected" in refusal(
        texts(body=body), without("licence.currency", full())
    )


def test_a_missing_value_may_be_tested_compared_and_given_a_default() -> None:
    body = (
        "{% if contact.name %}Dear {{ contact.name }}{% else %}Hello{% endif %} "
        "{{ contact.name | default('you') }} {{ contact.role == 'technical' }}"
    ).replace("{{ contact.role == 'technical' }}", "{% if contact.role == 'x' %}x{% endif %}")
    context = without("contact.role", nameless())
    assert write(texts(body=body), context).text == "Hello you\n"


def test_an_inline_condition_without_else_prints_nothing_on_purpose() -> None:
    body = "Hello{{ ' ' ~ contact.name if contact.name }}!"
    assert write(texts(body=body), nameless()).text == "Hello!\n"
    assert write(texts(body=body)).text == "Hello Anna Nowak!\n"


def test_an_unclosed_tag_is_named_with_its_line() -> None:
    assert refusal(texts(body="a\n{% if step %}\nb\n")) == (
        f"{EN}/body.txt:3: expected a template that can be read, got Unexpected end of template. "
        "Jinja was looking for the following tags: 'elif' or 'else' or 'endif'. "
        "The innermost block that needs to be closed is 'if'"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "a\n{{ contakt.name }}",
            ":2: contakt: expected a known variable, got 'contakt'; did you mean 'contact'?",
        ),
        (
            "{{ contact.nmae }}",
            ":1: contact.nmae: expected a field of contact, got 'nmae'; did you mean 'name'?",
        ),
        (
            "{% for item in licences %}\n{{ item.prodct }}{% endfor %}",
            ":2: item.prodct: expected a field of item, got 'prodct'; did you mean 'product'?",
        ),
        (
            "{{ licence.amount | mony }}",
            ":1: expected a known filter, got 'mony'; did you mean 'money'?",
        ),
        ("{% if step is emty %}{% endif %}", ":1: expected a known test, got 'emty'"),
        (
            "{% include 'layot.html' %}",
            ":1: expected a file to include, got 'layot.html'; did you mean 'layout.html'?",
        ),
        (
            "{% extends 'layot.html' %}",
            ":1: expected a file to extend, got 'layot.html'; did you mean 'layout.html'?",
        ),
    ],
)
def test_an_unknown_word_is_named_with_what_was_probably_meant(body: str, said: str) -> None:
    assert refusal(texts(body=body, layout_html="<p></p>")).startswith(f"{EN}/body.txt{said}")


def test_an_unknown_variable_in_a_branch_not_taken_is_found_all_the_same() -> None:
    assert "got 'nosuch'" in refusal(texts(body="x{% if not step %}{{ nosuch }}{% endif %}"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "{{ 'A'*10**9 }}",
            "expected values that can be printed, got '*' between things that are not numbers",
        ),
        (
            "{{ 10**1000 }}",
            "expected at most the tenth power, got more; print less",
        ),
        (
            "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
            "expected at most 500,000 characters, got more; print less",
        ),
        (
            "{% set a = ['xxxxxxxxxx'] %}"
            + "{% set a = [a | join, a | join] %}" * 40
            + "{{ a|join }}",
            "expected at most 500,000 characters, got more; print less",
        ),
        (
            "{% set a = 99999999999 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
            "expected at most numbers of 30 digits, got more; print less",
        ),
        (
            "{% for i in range(10**9) %}x{% endfor %}",
            "expected no calls, macros, imports or captures, got the call range(…); "
            "templates print, test and loop; filters such as | date do the rest",
        ),
        (
            "{% for a in licences %}" * 17 + "x" + "{% endfor %}" * 17,
            "expected at most 50,000 rounds of loops, got more; print less",
        ),
        (
            "{% for a in licences %}" * 17 + "{% endfor %}" * 17,
            "expected at most 50,000 rounds of loops, got more; print less",
        ),
        (
            "{% for a in licences %}" * 12 + "x" * 200 + "{% endfor %}" * 12,
            "expected at most 500,000 characters, got more; print less",
        ),
        (
            "{% include 'round.txt' %}",
            "expected a template that ends, got files that use each other in a circle, "
            "or brackets nested too deeply",
        ),
        ("x" * 5_000_000, "expected at most 500,000 characters, got more; print less"),
    ],
)
def test_a_template_that_runs_away_is_stopped_at_once(body: str, said: str) -> None:
    begun = perf_counter()
    told = refusal(texts(body=body, round_txt="{% include 'round.txt' %}"), full(licences=2))
    assert told.split(": ", 1)[1] == said
    assert perf_counter() - begun < 20  # seconds; milliseconds on an idle machine


def test_includes_that_double_at_every_level_are_counted() -> None:
    levels = {f"level{n}_txt": f"{{% include 'level{n + 1}.txt' %}}" * 2 for n in range(30)}
    found = texts(body="{% include 'level0.txt' %}", level30_txt="", **levels)
    assert "at most 50,000 rounds" in refusal(found)


@pytest.mark.parametrize(
    "body",
    [
        "{{ licence.__class__ }}",
        "{{ licence['__class__'] }}",
        "{{ licence.items }}",
        "{{ licence.pop('key') }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ ('%s'|format) }}",
        "{{ 'x' | attr('upper') }}",
        "{{ step.format }}",
        "{{ licences | map(attribute='__class__') | list }}",
        "{{ licences | map(attribute='key.__class__') | join }}",
        "{{ licences | map('attr', '__class__') | join }}",
        "{{ today.replace(year=1) }}",
        "{{ today.ctime }}",
        "{{ self }}",
        "{{ licence }}",
        "{{ licences }}",
        "{{ loop }}",
        "{% for item in licences %}{{ loop.cycle('a') }}{% endfor %}",
        "{% macro m() %}x{% endmacro %}{{ m() }}",
        "{% set x %}y{% endset %}{{ x }}",
        "{% filter upper %}y{% endfilter %}",
        "{% import 'layout.html' as l %}",
        "{% autoescape false %}{{ account.name }}{% endautoescape %}",
        "{{ account.name | safe }}",
        "{% set ns = namespace(a=1) %}",
        "{{ {'a': 1} }}",
        "{{ lipsum() }}",
        "{% for item in licences recursive %}{% endfor %}",
        "{% include step %}",
        "{{ 1 / 0 }}",
        "{{ licence.key + 1 }}",
        "{{ -licence.days_left | days }}",
        "{{ licence.key | money('EUR') }}",
        "{{ licence.amount | money }}",
        "{{ licence.amount | date }}",
        "{{ true }}",
        "{{ none }}",
        "{{ '' }}",
        "{{ 9" + "9" * 5000 + " }}",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{% for a in licences %}" * 40 + "{% endfor %}" * 40,
    ],
)
def test_templates_reach_nothing_but_their_data(body: str) -> None:
    assert refusal(texts(body=f"x{body}", layout_html="x")).startswith(f"{EN}/body.txt")


def test_an_empty_subject_blocks_the_mail() -> None:
    assert refusal(texts(subject=" {# nothing #}\n")) == (
        f"{EN}/subject.txt: expected one line of at most 200 characters, got nothing; "
        "write a subject"
    )


def test_a_subject_of_two_lines_blocks_the_mail() -> None:
    assert refusal(texts(subject="one\ntwo\n")) == (
        f"{EN}/subject.txt: expected one line of at most 200 characters, got a line break; "
        "join the lines"
    )


def test_a_line_break_in_a_clients_name_cannot_enter_the_subject() -> None:
    context = full()
    context = replace(context, account=replace(context.account, name="A\r\nBcc: x@example.com"))
    assert "got a line break" in refusal(texts(subject="For {{ account.name }}"), context)


@pytest.mark.parametrize(
    ("sign", "name"),
    [("\x07", "the control character U+0007"), ("\u202e", "RIGHT-TO-LEFT OVERRIDE")],
)
def test_control_characters_cannot_enter_the_subject(sign: str, name: str) -> None:
    assert refusal(texts(subject=f"a{sign}b")) == (
        f"{EN}/subject.txt: expected one line of at most 200 characters, got {name}; remove it"
    )


def test_a_subject_over_200_characters_blocks_the_mail() -> None:
    assert "got 201 characters; shorten it" in refusal(texts(subject="x" * 201))


@pytest.mark.parametrize(
    ("html", "said"),
    [
        (
            '<a href="javascript:alert(1)">x</a>',
            "href: expected a link to http, https or mailto, got 'javascript:alert(1)'",
        ),
        (
            "<a class=x href='JaVa\tScript:alert(1)'>x</a>",
            "href: expected a link to http, https or mailto, got 'JaVa Script:alert(1)'",
        ),
        (
            '<a href="&#106;avascript:alert(1)">x</a>',
            "href: expected a link to http, https or mailto, got 'javascript:alert(1)'",
        ),
        (
            '<a title="a > b" href="data:text/html,x">x</a>',
            "href: expected a link to http, https or mailto, got 'data:text/html,x'",
        ),
        ('<img src="//example.com/x.png">', "src: expected a link to http, https or mailto"),
        ('<a href="/renew">x</a>', "href: expected a link to http, https or mailto"),
        ("<a href=https://example.com>x</a>", "href: expected a link in quotes"),
        ('<p onclick="x()">x</p>', "onclick: expected no handlers in a mail, got onclick=…"),
        ("<script>x</script>", "script: expected no elements that act or load, got <script>"),
        ("<a href='https://example.com'\n", "a: expected a tag that ends with >"),
    ],
)
def test_links_that_act_block_the_mail(html: str, said: str) -> None:
    assert refusal(texts(html=html)).startswith(f"{EN}/body.html: {said}")


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", " java\nscript:x", "data:x", "vbscript:x", "//evil.example", "x"],
)
def test_a_renewal_link_from_the_book_is_checked_after_escaping(link: str) -> None:
    context = full()
    context = replace(context, licences=(replace(context.licence, renew_url=link),))
    told = refusal(texts(html='<a href="{{ licence.renew_url }}">x</a>'), context)
    assert "href: expected a link to http, https or mailto" in told


def test_words_that_look_like_links_in_the_running_text_are_left_alone() -> None:
    context = full()
    name = "href=javascript:x onclick=y <a href=javascript:z>"
    context = replace(context, account=replace(context.account, name=name))
    html = '<p title="{{ account.name }}">{{ account.name }}</p>'
    assert write(texts(html=html), context).html.count("javascript:") == 4


def test_a_mail_that_does_not_exist_is_named() -> None:
    with pytest.raises(RenderError) as caught:
        Renderer(texts()).render("renewal/tst", "en", full())
    assert str(caught.value.problem) == (
        "templates/renewal/tst: expected a mail, got nothing; did you mean 'renewal/test'?"
    )


def test_the_error_says_mail_language_file_line_and_variable() -> None:
    with pytest.raises(RenderError) as caught:
        write(texts(body="\n\n{{ contact.name }}"), nameless())
    error = caught.value
    assert (error.mail, error.language, error.line) == (MAIL, "en", 3)
    assert (error.file, error.variable) == (f"{EN}/body.txt", "contact.name")


@pytest.mark.parametrize("field", OPTIONAL)
def test_every_value_that_the_book_may_lack_blocks_when_printed_bare(field: str) -> None:
    assert f"{field}: expected a value" in refusal(
        texts(body=f"{{{{ {field} }}}}"), without(field, full())
    )
