"""The address of a webhook is one that may be called, or the file says what is wrong with it."""

from __future__ import annotations

import json
import re

import pytest

from worker.schedules.kinds.webhook import WebhookKeys, host_of, is_for_trying
from worker.schedules.loader import SchedulesError, load_text
from worker.schedules.schema import schema_text

HEAD = 'name = "Licence renewal"\ntrigger = "licence-expiry"\nclass = "contractual"\n'
STEP = '[[steps]]\nid = "tell-crm"\nwhen = "30 days before"\nwebhook = {}\n'

GOOD = [
    "https://hooks.example.com/renewals",
    "https://hooks.example.com:8443/a/b?token=x%20y&z=1",
    "https://xn--d-0ga.example",
    "https://8.8.8.8/x",
    "https://[2606:4700::1111]/x",
    "http://localhost:8080/hook",
    "http://127.0.0.1/",
    "http://[::1]:8080",
]
HINT = "write e.g. 'https://hooks.example.com/renewals'"
NO_URL = f"is not an address to call; {HINT}"
NOT_PUBLIC = f"is not an address that the internet can reach; {HINT}"
NO_NAME = f"is not an address with the full name of a host; {HINT}"
NOT_PLAIN = (
    "is not an address in plain ASCII without spaces; "
    "write a domain in its xn-- form and other signs as %20, %C5%82 …"
)
WITH_A_USER = (
    "an address without a user or a password; remove what stands before the @: "
    "calls are signed, see docs/webhooks.md"
)


def problems(value: str) -> list[str]:
    with pytest.raises(SchedulesError) as caught:
        load_text((HEAD + STEP.format(value)).encode(), "schedules/x.toml", templates=None)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("url", GOOD)
def test_an_address_that_may_be_called_is_taken_as_it_is_written(url: str) -> None:
    text = HEAD + STEP.format(json.dumps(url))
    (step,) = load_text(text.encode(), "schedules/x.toml", templates=None).steps
    assert (step.kind, step.keys, step.mails) == ("webhook", WebhookKeys(webhook=url), False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://hooks.example.com/x",
            "'http://hooks.example.com/x' is not an address to call: away from localhost it "
            "begins with https://",
        ),
        (
            "https://localhost:8080/x",
            "'https://localhost:8080/x' is not an address to try things out at; "
            "write 'http://localhost:8080/x'",
        ),
        (
            "https://example.com/x#top",
            "'https://example.com/x#top' is not an address to call; "
            "remove the # and what follows: it is never sent",
        ),
        ("https://ann:hunter2@example.com/x", WITH_A_USER),
        ("https://@example.com/x", WITH_A_USER),
        *[
            (f"https://{host}/x", f"'https://{host}/x' {NOT_PUBLIC}")
            for host in (
                *("10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
                *("[fd00::1]", "[::ffff:8.8.8.8]", "2130706433", "127.1", "1.2.3.4.5"),
            )
        ],
        *[
            (f"https://{host}/x", f"'https://{host}/x' {NO_NAME}")
            for host in ("crm", "crm.", "a..example", "-a.example", "0x7f.0x1", "a_b!.example")
        ],
        *[
            (url, f"'{url}' {NO_URL}")
            for url in (
                *("ftp://example.com/x", "example.com/x", "https://", "https:example.com/x"),
                *("https://example.com:99999/", "https://example.com:0/", "https://[x/"),
            )
        ],
        (
            "https://example.com/" + "x" * 2000,
            f"a text of 2020 signs is not an address of at most 2000 signs; {HINT}",
        ),
        *[(url, f"'{url}' {NOT_PLAIN}") for url in ("", "https://żółw.pl/", "https://a.pl/ b")],
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_called_is_told_at_its_place(url: str, said: str) -> None:
    assert problems(json.dumps(url)) == [f"schedules/x.toml:7:11: steps[0].webhook: {said}"]


@pytest.mark.parametrize("url", [r"https://example.com\\@10.0.0.1/", r"https://example.com/\n"])
def test_signs_that_programs_read_in_two_ways_are_refused(url: str) -> None:
    assert len(problems(f'"{url}"')) == 1


def test_a_number_is_no_address() -> None:
    said = "schedules/x.toml:7:11: steps[0].webhook: 5 is not text; put it in quotes"
    assert problems("5") == [said]


def test_one_system_is_not_told_twice_at_the_same_moment() -> None:
    url = '"https://hooks.example.com/x"'
    text = HEAD + STEP.format(url) + STEP.format(url).replace("tell-crm", "again")
    with pytest.raises(SchedulesError) as caught:
        load_text(text.encode(), "schedules/x.toml", templates=None)
    assert [str(problem) for problem in caught.value.problems] == [
        "schedules/x.toml:10:8: steps[1].when: steps[0] goes to the same people at the same "
        "moment; move one of them, or give them different roles"
    ]


@pytest.mark.parametrize("url", GOOD)
def test_an_editor_accepts_what_the_check_accepts(url: str) -> None:
    key = json.loads(schema_text())["$defs"]["StepShape"]["properties"]["webhook"]
    assert re.search(key["pattern"], url)
    for wrong in ("http://example.com/", "http://localhost.example.com/", "ftp://localhost/"):
        assert not re.search(key["pattern"], wrong)


def test_only_this_machine_is_for_trying() -> None:
    assert [url for url in GOOD if is_for_trying(url)] == GOOD[-3:]
    assert not is_for_trying("https://localhost/")
    assert not is_for_trying("http://localhost.example.com/")


def test_of_an_address_only_the_host_is_shown() -> None:
    assert host_of("https://Hooks.example.com:8443/secret?token=x") == "hooks.example.com"
