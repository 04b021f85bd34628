"""Every setting that is wrong is told at once: where, what was expected, what came, what to do."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from worker.config.loading import Loaded, load
from worker.config.settings import EVENTS, Settings
from worker.kernel.errors import ConfigError

LONG = "0f" * 16  # 32 bytes
MAKE = "make one with: openssl rand -hex 32"


def load_text(root: Path, text: str, **environ: str) -> Loaded:
    (root / "config.toml").write_text(text, encoding="utf-8")
    return load(root, environ)


def complaints(root: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_text(root, text, **environ)
    assert caught.value.exit_code == 3
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load(tmp_path, {})
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_the_sample_file_shows_the_defaults() -> None:
    loaded = load(Path(__file__).parents[2], {})
    assert loaded.settings == Settings()
    shown = {name for name, origin in loaded.origins.items() if origin != "default"}
    secrets = {"web.metrics_token", "webhooks.secret", "webhooks.previous_secret"}
    secrets |= {"web.link_key", "web.previous_link_key", "web.oidc.client_secret"}
    secrets |= {"mail.smtp.password", "mail.smtp.bounces_password", "mail.sendgrid.api_key"}
    secrets |= {"surveys.delighted.key"}
    without = {"mail.reply_to", "mail.redirect_to", "mail.smtp.username", "mail.smtp.bounces"}
    without |= {"beat.ping_url", "web.oidc.issuer", "web.oidc.client_id"}
    without |= {f"indicators.{name}" for name in ("currency", "mail_cost", "task_cost")}
    without |= {"surveys.delighted.account"}
    assert set(loaded.origins) - shown == secrets | without


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[web]\nport = 1\nhost = 'localhost'\n[beat]\n")
    environ = {"PERENNIAL_WEB__PORT": "2", "PERENNIAL_BEAT__EVERY": "2 minutes"}
    loaded = load(tmp_path, environ, {"web.port": "3"})
    assert loaded.settings.web.port == 3
    assert loaded.settings.web.host == "localhost"
    assert loaded.settings.beat.every == timedelta(minutes=2)
    assert loaded.origins["web.port"] == "--set web.port"
    assert loaded.origins["web.host"] == "config.toml:3"
    assert loaded.origins["beat.every"] == "PERENNIAL_BEAT__EVERY"
    assert loaded.origins["log.level"] == "default"


def test_the_content_of_a_file_can_be_a_setting(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(LONG + "\n")
    loaded = load_text(tmp_path, "", PERENNIAL_WEB__METRICS_TOKEN_FILE=str(secret))
    token = loaded.settings.web.metrics_token
    assert token is not None
    assert token.get_secret_value() == LONG
    assert loaded.origins["web.metrics_token"] == f"PERENNIAL_WEB__METRICS_TOKEN_FILE ({secret})"


def test_a_variable_reaches_a_table_in_a_table_and_a_source(tmp_path: Path) -> None:
    text = '[sources.new-licences]\nkind = "csv"\npath = "a.csv"\n'
    loaded = load_text(
        tmp_path,
        text,
        PERENNIAL_MAIL__FILE__FOLDER="elsewhere",
        PERENNIAL_MAIL__FROM="Anna Nowak <anna@example.com>",
        PERENNIAL_SOURCES__NEW_LICENCES__FULL_SYNC="true",
    )
    assert loaded.settings.mail.file.folder == "elsewhere"
    assert loaded.settings.mail.sender == "Anna Nowak <anna@example.com>"
    assert loaded.settings.sources["new-licences"].full_sync is True


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    load_text(tmp_path, "", HOME="/", PERENNIALS="x", PERENNIAL_ROOT="/x")


def test_the_pages_are_where_they_are_served_unless_said_otherwise(tmp_path: Path) -> None:
    assert load_text(tmp_path, "[web]\nport = 81").settings.web.base_url == "http://127.0.0.1:81"


def test_a_relative_database_counts_from_the_root() -> None:
    settings = Settings().database
    assert settings.resolved(Path("/srv/p")) == "sqlite:////srv/p/var/perennial.db"


EVERYTHING = """\
[web]
port = "80"
hst = "x"
base_url = "http://example.com"
[databse]
url = 5
[mail]
lease = "60 secs"
[book]
timezone = "CET"
[sources.x]
kind = "csv"
date_formt = "x"
[sources.x.load]
"""


def test_all_problems_of_file_environment_and_flags_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(EVERYTHING)
    environ = {
        "PERENNIAL_JOBS__BROKER": "rabbit://ann:hunter2@c",
        "PERENNIAL_MAIL__FILE__FOLDR": "x",
        "PERENNIAL_SOURCES__X__FULL_SYNC": "yes",
    }
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ, {"web.prt": "1", "beat.every": "0 days"})
    assert str(caught.value).splitlines() == [
        "config.toml:2:8: web.port: '80' is not a whole number; write it without quotes",
        "config.toml:3:1: web.hst: 'hst' is not a known key; did you mean 'host'?",
        "config.toml:4:12: web.base_url: 'http://example.com' is not safe to mail: away from "
        "localhost a base_url begins with https://; write e.g. 'https://renewals.example.com'",
        "config.toml:5:2: databse: 'databse' is not a known key; did you mean 'database'?",
        "config.toml:8:9: mail.lease: '60 secs' is not a span of time; "
        "write e.g. '30 seconds', '10 minutes' or '2 days'",
        "config.toml:10:12: book.timezone: 'CET' is not a time zone; "
        "write a city's zone such as 'Europe/Warsaw', or 'UTC'",
        "config.toml:13:1: sources.x.date_formt: 'date_formt' is not a known key; "
        "did you mean 'date_format'?",
        "config.toml:14:1: sources.x.load: a table is not a list; "
        "write [[sources.x.load]] with double brackets",
        "PERENNIAL_MAIL__FILE__FOLDR: no setting has this name; "
        "did you mean 'PERENNIAL_MAIL__FILE__FOLDER'?",
        "--set web.prt: no setting has this name; did you mean 'web.port'?",
        "PERENNIAL_JOBS__BROKER: jobs.broker: 'rabbit://ann:***@c' is not a broker; "
        "write 'memory' or 'redis://localhost:6379'",
        "--set beat.every: beat.every: '0 days' is not a span of time longer than nothing; "
        "write e.g. '30 seconds', '10 minutes' or '2 days'",
        "PERENNIAL_SOURCES__X__FULL_SYNC: sources.x.full_sync: 'yes' is not true or false",
        "13 problems in the configuration",
    ]


def test_a_file_that_cannot_be_read_does_not_hide_what_the_environment_has_wrong(
    tmp_path: Path,
) -> None:
    assert complaints(tmp_path, "[web\n", PERENNIAL_WEB__PRT="1") == [
        "config.toml:1:5: not valid TOML: Expected ']' at the end of a table declaration",
        "PERENNIAL_WEB__PRT: no setting has this name; did you mean 'PERENNIAL_WEB__PORT'?",
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[web]\nport = 8000.0", "2:8: web.port: 8000.0 is not a whole number"),
        (
            "[web]\nport = true",
            "2:8: web.port: true is not a whole number",
        ),
        (
            "[web]\nport = 70000",
            "2:8: web.port: 70000 is not a port; write a number from 1 to 65535",
        ),
        ("[web]\nhost = 5", "2:8: web.host: 5 is not text; put it in quotes"),
        ("web = 5", "1:7: web: 5 is not a table; write [table] on a line of its own"),
        (
            '[log]\nlevel = "inof"',
            "2:9: log.level: 'inof' is not one of 'debug', 'info', 'warning', 'error'; "
            "did you mean 'info'?",
        ),
        (
            '[mail]\nchannel = "sendgird"',
            "2:11: mail.channel: 'sendgird' is not one of 'file', 'smtp', 'sendgrid'; "
            "did you mean 'sendgrid'?",
        ),
        (
            '[book]\ntimezone = "+02:00"',
            "2:12: book.timezone: '+02:00' is not a time zone; "
            "write a city's zone such as 'Europe/Warsaw', or 'UTC'",
        ),
        (
            '[book]\ntimezone = "Europe/Warsav"',
            "2:12: book.timezone: 'Europe/Warsav' is not a time zone; "
            "did you mean 'Europe/Warsaw'?",
        ),
        (
            '[book]\ncountry = "pl"',
            "2:11: book.country: 'pl' is not an ISO 3166 country code of two capital letters; "
            "write 'PL'",
        ),
        (
            '[book]\nlanguage = "Polish"',
            "2:12: book.language: 'Polish' is not a language code; write e.g. 'en', 'pl' or 'ru'",
        ),
        (
            '[database]\nurl = "mysql://u:pw@h/d"',
            "2:7: database.url: 'mysql://u:***@h/d' is not the address of a database; "
            "write 'sqlite:///var/perennial.db' or 'postgresql+psycopg://user@host/name'",
        ),
        (
            '[database]\nurl = "sqlite:///:memory:"',
            "2:7: database.url: 'sqlite:///:memory:' is not the address of a database; "
            "write 'sqlite:///var/perennial.db' or 'postgresql+psycopg://user@host/name'",
        ),
        (
            '[database]\nenvironment = "Main one"',
            "2:15: database.environment: 'Main one' is not a name of lower-case letters, digits "
            "and dashes; write e.g. 'main'",
        ),
    ],
)
def test_a_wrong_value_is_told_and_never_coerced(tmp_path: Path, line: str, said: str) -> None:
    assert complaints(tmp_path, line) == [f"config.toml:{said}"]


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (
            "Renewals\\nBcc: all@example.com <renewals@example.com>",
            "'Renewals\\nBcc: all@example.com <renewals@example.com>' is not a sender on one line; "
            "remove the line break",
        ),
        (
            "Smith, Ann <ann@example.com>",
            "'Smith, Ann <ann@example.com>' is not one sender; write one 'Name <address>'; "
            "a name with a comma stands in double quotes",
        ),
        (
            "a@example.com, b@example.com",
            "'a@example.com, b@example.com' is not one sender; write one 'Name <address>'; "
            "a name with a comma stands in double quotes",
        ),
        (
            "Renewals <odnowienia@przykład.pl>",
            "'Renewals <odnowienia@przykład.pl>' is not a sender whose address is plain ASCII; "
            "write an international domain in its xn-- form; the name may be in any letters",
        ),
        (
            "Renewals",
            "'Renewals' is not a sender; write e.g. 'Renewals <renewals@example.com>'",
        ),
        ("", "'' is not a sender; write e.g. 'Renewals <renewals@example.com>'"),
        ("a@b", "'a@b' is not a sender; write e.g. 'Renewals <renewals@example.com>'"),
    ],
)
def test_a_sender_that_would_not_arrive_is_refused(tmp_path: Path, sender: str, said: str) -> None:
    assert complaints(tmp_path, f'[mail]\nfrom = "{sender}"') == [
        f"config.toml:2:8: mail.from: {said}"
    ]


@pytest.mark.parametrize(
    "sender",
    ['"Smith, Ann" <ann@example.com>', "Зоя <zoya@example.com>", "renewals@example.com"],
)
def test_a_sender_may_have_a_name_in_any_letters(tmp_path: Path, sender: str) -> None:
    loaded = load_text(tmp_path, f"[mail]\nfrom = '{sender}'")
    assert loaded.settings.mail.sender == sender


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "the secret is blank"),
        ("   ", "the secret is blank"),
        ("changeme", "the secret is a placeholder that anyone could guess"),
        ("Secret", "the secret is a placeholder that anyone could guess"),
        ("x" * 40, "the secret is a placeholder that anyone could guess"),
        (
            "your-token-goes-here-please-replace-me",
            "the secret is a placeholder that anyone could guess",
        ),
        ("0f" * 15, "the secret is 30 bytes long; at least 32 are needed"),
    ],
)
def test_a_weak_secret_is_refused_and_not_repeated(tmp_path: Path, secret: str, said: str) -> None:
    assert complaints(tmp_path, "", PERENNIAL_WEB__METRICS_TOKEN=secret) == [
        f"PERENNIAL_WEB__METRICS_TOKEN: web.metrics_token: {said}; {MAKE}"
    ]


SIGN = "make one with: echo whsec_$(openssl rand -base64 32)"
NO_SECRET = "a secret begins with whsec_ and goes on in base64"


def _whsec(key: bytes) -> str:
    return "whsec_" + b64encode(key).decode()


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", NO_SECRET),
        ("whsec_", NO_SECRET),
        (LONG, NO_SECRET),
        ("whsec_not!base64", NO_SECRET),
        ("WHSEC_" + LONG, NO_SECRET),
        (_whsec(bytes(range(23))), "the secret holds 23 bytes; 24 to 64 are needed"),
        (_whsec(bytes(range(65))), "the secret holds 65 bytes; 24 to 64 are needed"),
        (_whsec(b"ab" * 16), "the secret is a placeholder that anyone could guess"),
    ],
)
@pytest.mark.parametrize("name", ["secret", "previous_secret"])
def test_a_secret_that_cannot_sign_is_refused_and_not_repeated(
    tmp_path: Path, name: str, secret: str, said: str
) -> None:
    good = {"PERENNIAL_WEBHOOKS__SECRET": _whsec(bytes(range(24)))}
    variable = f"PERENNIAL_WEBHOOKS__{name.upper()}"
    assert complaints(tmp_path, "", **good | {variable: secret}) == [
        f"{variable}: webhooks.{name}: {said}; {SIGN}"
    ]


def test_a_previous_secret_alone_signs_nothing(tmp_path: Path) -> None:
    old = _whsec(bytes(range(32)))
    assert complaints(tmp_path, "", PERENNIAL_WEBHOOKS__PREVIOUS_SECRET=old) == [
        "PERENNIAL_WEBHOOKS__PREVIOUS_SECRET: webhooks.secret: missing; expected the secret that "
        "follows previous_secret; set PERENNIAL_WEBHOOKS__SECRET or PERENNIAL_WEBHOOKS__SECRET_FILE"
    ]


def test_a_signing_secret_may_come_without_padding_and_is_never_shown(tmp_path: Path) -> None:
    secret = _whsec(bytes(range(32)))
    loaded = load_text(tmp_path, "", PERENNIAL_WEBHOOKS__SECRET=secret.rstrip("="))
    assert "AAEC" not in repr(loaded.settings)
    assert complaints(tmp_path, f'[webhooks]\nsecret = "{secret}"') == [
        "config.toml:2:1: webhooks.secret: a secret does not belong in this file; remove this "
        "line and set PERENNIAL_WEBHOOKS__SECRET, or PERENNIAL_WEBHOOKS__SECRET_FILE with the "
        "name of a file that holds it"
    ]


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    assert complaints(tmp_path, f'[web]\nmetrics_token = "{LONG}"') == [
        "config.toml:2:1: web.metrics_token: a secret does not belong in this file; remove this "
        "line and set PERENNIAL_WEB__METRICS_TOKEN, or PERENNIAL_WEB__METRICS_TOKEN_FILE with the "
        "name of a file that holds it"
    ]


def test_a_secret_on_the_command_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {}, {"web.metrics_token": LONG})
    assert [str(problem) for problem in caught.value.problems] == [
        "--set web.metrics_token: a secret on the command line can be read by everybody on this "
        "machine; set PERENNIAL_WEB__METRICS_TOKEN or PERENNIAL_WEB__METRICS_TOKEN_FILE"
    ]


def test_a_host_that_others_reach_needs_a_secret_for_metrics(tmp_path: Path) -> None:
    assert complaints(tmp_path, '[web]\nhost = "0.0.0.0"') == [
        "config.toml:2:8: web.metrics_token: missing; expected a secret, because host '0.0.0.0' "
        "lets other machines read /metrics; set PERENNIAL_WEB__METRICS_TOKEN or "
        "PERENNIAL_WEB__METRICS_TOKEN_FILE"
    ]
    load_text(tmp_path, '[web]\nhost = "0.0.0.0"', PERENNIAL_WEB__METRICS_TOKEN=LONG)


def test_a_variable_and_its_file_cannot_both_be_set(tmp_path: Path) -> None:
    both = {"PERENNIAL_WEB__PORT": "1", "PERENNIAL_WEB__PORT_FILE": "/x"}
    assert complaints(tmp_path, "", **both) == [
        "PERENNIAL_WEB__PORT_FILE: web.port: PERENNIAL_WEB__PORT and PERENNIAL_WEB__PORT_FILE are "
        "both set; keep one of the two"
    ]


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert complaints(tmp_path, "", PERENNIAL_WEB__METRICS_TOKEN_FILE="/none/here") == [
        "PERENNIAL_WEB__METRICS_TOKEN_FILE: web.metrics_token: "
        "'/none/here' cannot be read: No such file or directory"
    ]


def test_no_representation_shows_a_secret_or_a_password(tmp_path: Path) -> None:
    text = '[database]\nurl = "postgresql://ann:hunter2@db/p"\n[jobs]\nbroker = "redis://:pw77@r"'
    settings = load_text(tmp_path, text, PERENNIAL_WEB__METRICS_TOKEN=LONG).settings
    for shown in (repr(settings), str(settings), repr(settings.database), str(settings.jobs)):
        assert "hunter2" not in shown
        assert "pw77" not in shown
        assert LONG not in shown
    assert settings.database.url == "postgresql://ann:hunter2@db/p"


# --- sources ----------------------------------------------------------------------------------


HTTP = '[sources.my-erp]\nkind = "http"\nurl = "https://erp.example.com"\n'


def test_a_secret_of_a_source_comes_from_a_variable_or_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")
    given = {"PERENNIAL_SOURCES__MY_ERP__TOKEN_FILE": str(tmp_path / "token")}
    loaded = load_text(tmp_path, HTTP, **given, PERENNIAL_SOURCES__MY_ERP__PASSWORD="short")
    source = loaded.settings.sources["my-erp"]
    assert source.token is not None
    assert source.token.get_secret_value() == "t0ken"
    assert source.password is not None
    assert "t0ken" not in repr(loaded.settings)
    assert (
        loaded.origins["sources.my-erp.token"]
        == f"PERENNIAL_SOURCES__MY_ERP__TOKEN_FILE ({tmp_path}/token)"
    )


def test_a_secret_of_a_source_is_refused_in_the_file_and_not_repeated(tmp_path: Path) -> None:
    assert complaints(tmp_path, HTTP + 'token = "t0ken"') == [
        "config.toml:4:1: sources.my-erp.token: a secret does not belong in this file; remove this "
        "line and set PERENNIAL_SOURCES__MY_ERP__TOKEN, or PERENNIAL_SOURCES__MY_ERP__TOKEN_FILE "
        "with the name of a file that holds it"
    ]
    url = 'url = "postgresql://reader:hunter2@host/erp"'
    assert complaints(tmp_path, f'[sources.erp]\nkind = "sql"\n{url}') == [
        "config.toml:3:7: sources.erp.url: a password does not belong in this file; leave it out "
        "of url and set PERENNIAL_SOURCES__ERP__PASSWORD, or PERENNIAL_SOURCES__ERP__PASSWORD_FILE"
    ]


def test_a_secret_of_a_source_is_refused_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(HTTP, encoding="utf-8")
    with pytest.raises(ConfigError, match="PERENNIAL_SOURCES__MY_ERP__TOKEN_FILE") as caught:
        load(tmp_path, {}, {"sources.my-erp.token": "t0ken"})
    assert "t0ken" not in str(caught.value)


def test_a_url_with_its_password_may_be_a_variable(tmp_path: Path) -> None:
    text = '[sources.erp]\nkind = "sql"\n'
    url = "postgresql://reader:hunter2@host/erp"
    loaded = load_text(tmp_path, text, PERENNIAL_SOURCES__ERP__URL=url)
    assert loaded.settings.sources["erp"].url == url
    assert "hunter2" not in repr(loaded.settings)


@pytest.mark.parametrize("secret", ["", "  ", "a\nb", "a\x00b"])
def test_a_secret_that_cannot_be_one_is_refused_and_not_repeated(
    tmp_path: Path, secret: str
) -> None:
    (told,) = complaints(tmp_path, HTTP, PERENNIAL_SOURCES__MY_ERP__TOKEN=secret)
    assert told.startswith("PERENNIAL_SOURCES__MY_ERP__TOKEN: sources.my-erp.token: the secret ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'encoding = "cp1520"',
            "encoding: 'cp1520' is not an encoding; did you mean 'cp1252'?",
        ),
        (
            'delimiter = ";;"',
            "delimiter: ';;' is not a single character; write e.g. ',' or ';' or \"\\t\"",
        ),
        (
            'date_format = "YYYY-MM-DD"',
            "date_format: 'YYYY-MM-DD' is not a format of dates; "
            "write e.g. '%Y-%m-%d' or '%d.%m.%Y'",
        ),
        (
            'term = "renewals"',
            "term: 'renewals' is not one of 'renewal', 'correction'; did you mean 'renewal'?",
        ),
        ("load = 5", "load: 5 is not a list; write [[sources.s.load]] with double brackets"),
    ],
)
def test_a_source_is_checked_as_far_as_it_can_be_without_its_file(
    tmp_path: Path, line: str, said: str
) -> None:
    column = line.index("=") + 3
    text = f'[sources.s]\nkind = "csv"\npath = "x.csv"\n{line}\n'
    assert complaints(tmp_path, text) == [f"config.toml:4:{column}: sources.s.{said}"]


# --- ways out ---------------------------------------------------------------------------------

_P256 = b64encode(
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + bytes(range(64))
).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[mail]\nchannel = "sendgrid"',
            "config.toml:2:11: mail.sendgrid.api_key: missing; expected the key that channel "
            "'sendgrid' sends with; set PERENNIAL_MAIL__SENDGRID__API_KEY or "
            "PERENNIAL_MAIL__SENDGRID__API_KEY_FILE",
        ),
        (
            '[mail]\nchannel = "smtp"\nsmtp.username = "me"',
            "config.toml:3:17: mail.smtp.password: missing; expected the password of this user; "
            "set PERENNIAL_MAIL__SMTP__PASSWORD or PERENNIAL_MAIL__SMTP__PASSWORD_FILE",
        ),
        (
            '[mail]\nchannel = "smtp"\nsmtp.bounces = "imaps://b@imap.example.com/INBOX"',
            "config.toml:3:16: mail.smtp.bounces_password: missing; expected the password of this "
            "mailbox; set PERENNIAL_MAIL__SMTP__BOUNCES_PASSWORD or "
            "PERENNIAL_MAIL__SMTP__BOUNCES_PASSWORD_FILE",
        ),
    ],
)
def test_a_channel_says_what_it_lacks(tmp_path: Path, text: str, said: str) -> None:
    assert complaints(tmp_path, text) == [said]


def test_what_a_channel_lacks_is_told_with_all_other_mistakes(tmp_path: Path) -> None:
    text = '[mail]\nchannel = "sendgrid"\n[web]\nport = "80"'
    assert [one.partition(": ")[2].partition(":")[0] for one in complaints(tmp_path, text)] == [
        "mail.sendgrid.api_key",
        "web.port",
    ]


def test_a_channel_that_is_not_used_lacks_nothing(tmp_path: Path) -> None:
    load_text(tmp_path, '[mail]\n[mail.smtp]\nusername = "me"\n[mail.sendgrid]')


def test_a_password_without_its_user_is_told_by_the_name_of_its_variable(tmp_path: Path) -> None:
    said = complaints(
        tmp_path, '[mail]\nchannel = "smtp"', PERENNIAL_MAIL__SMTP__PASSWORD="hunter22"
    )
    assert said == [
        "PERENNIAL_MAIL__SMTP__PASSWORD: mail.smtp.username: missing; expected the name that "
        'belongs to it; write e.g. username = "renewals@example.com"'
    ]


def test_a_password_never_travels_where_others_can_read_it(tmp_path: Path) -> None:
    text = '[mail]\nchannel = "smtp"\n[mail.smtp]\nusername = "me"\nsecurity = "none"\nhost = '
    secret = {"PERENNIAL_MAIL__SMTP__PASSWORD": "hunter22"}
    assert complaints(tmp_path, text + '"smtp.example.com"', **secret) == [
        "config.toml:5:12: mail.smtp.security: 'none' is not safe for a password: away from "
        "localhost the connection must be encrypted; write 'starttls' or 'tls'"
    ]
    assert load_text(tmp_path, text + '"localhost"', **secret).settings.mail.smtp.password


@pytest.mark.parametrize("name", ["SMTP__PASSWORD", "SENDGRID__API_KEY"])
@pytest.mark.parametrize("secret", ["", "ab\ncd", "zażółć"])
def test_a_key_that_no_header_could_carry_is_refused_and_not_repeated(
    tmp_path: Path, name: str, secret: str
) -> None:
    (said,) = complaints(tmp_path, "", **{f"PERENNIAL_MAIL__{name}": secret})
    assert said.startswith(f"PERENNIAL_MAIL__{name}: mail.{name.lower().replace('__', '.')}: the")
    assert not secret or secret not in said


def test_keys_and_passwords_are_in_no_representation(tmp_path: Path) -> None:
    loaded = load_text(
        tmp_path,
        '[mail.smtp]\nusername = "me"',
        PERENNIAL_MAIL__SMTP__PASSWORD="hunter22",
        PERENNIAL_MAIL__SENDGRID__API_KEY="SG.canary",
    )
    assert "hunter22" not in repr(loaded.settings)
    assert "canary" not in repr(loaded)


def test_an_attempt_must_end_before_its_lease_does(tmp_path: Path) -> None:
    text = '[mail]\nchannel = "smtp"\n'
    assert complaints(tmp_path, text + 'timeout = "1 minute"') == [
        "config.toml:3:11: mail.timeout: '1 minute' is not shorter than the lease of a mail; "
        "lease is how long a worker may hold a mail"
    ]
    assert complaints(tmp_path, text + 'lease = "30 seconds"') == [
        "config.toml:3:9: mail.lease: '30 seconds' is not longer than the timeout of an attempt; "
        "lease is how long a worker may hold a mail"
    ]
    load_text(tmp_path, text + 'lease = "31 seconds"')
    load_text(tmp_path, '[mail]\nlease = "2 seconds"')  # a file takes no time


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('smtp.host = "https://smtp.example.com"', "the name of a machine"),
        ('smtp.host = ""', "the name of a machine"),
        ('smtp.host = "smtp.example.com:25"', "the name of a machine"),
        ("smtp.port = 0", "a port"),
        ('smtp.security = "ssl"', "one of 'starttls', 'tls', 'none'"),
        ('smtp.bounces = ""', "a mailbox"),
        ('smtp.bounces = "pop3://bounces@example.com/"', "a mailbox"),
        ('smtp.bounces = "imaps://imap.example.com/INBOX"', "a mailbox"),
        ('smtp.bounces = "imaps://b@imap.example.com:x/INBOX"', "a mailbox"),
        ('smtp.bounces = "imap://b@imap.example.com/INBOX"', "safe for a password"),
        ('sendgrid.base_url = "http://api.sendgrid.com"', "safe for a key"),
        ('sendgrid.base_url = "api.sendgrid.com"', "the address of an API"),
        ('sendgrid.event_key = "abc"', "the public key of signed events"),
        (f'sendgrid.event_key = "{_P256[:-4]}"', "the public key of signed events"),
    ],
)
def test_a_provider_that_cannot_be_called_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (found,) = complaints(tmp_path, f"[mail]\n{line}")
    assert f" is not {said}" in found


def test_a_password_in_the_address_of_a_mailbox_is_refused_and_not_repeated(
    tmp_path: Path,
) -> None:
    text = '[mail.smtp]\nbounces = "imaps://b:hunter22@imap.example.com/INBOX"'
    (found,) = complaints(tmp_path, text)
    assert "a mailbox without its password" in found
    assert "hunter22" not in found


@pytest.mark.parametrize("place", ["var/bounces", "imap://b@localhost:1143/INBOX"])
def test_a_mailbox_of_bounces_is_a_folder_or_on_a_server(tmp_path: Path, place: str) -> None:
    text = f'[mail.smtp]\nbounces = "{place}"'
    assert load_text(tmp_path, text).settings.mail.smtp.bounces == place


@pytest.mark.parametrize("host", ["smtp.example.com", "10.0.0.5", "::1", "mail"])
def test_a_mail_server_may_be_named_or_numbered(tmp_path: Path, host: str) -> None:
    text = f'[mail.smtp]\nhost = "{host}"\n[mail.sendgrid]\nevent_key = "{_P256}"'
    assert load_text(tmp_path, text).settings.mail.smtp.host == host


# --- endpoints ------------------------------------------------------------------------------------

SIGNING = "whsec_" + b64encode(bytes(range(32))).decode()
ENDPOINT = '[webhooks.endpoints.crm]\nurl = "https://crm.example.com/hooks"\n'


def test_an_endpoint_hears_of_everything_unless_it_says_of_what(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, ENDPOINT, PERENNIAL_WEBHOOKS__SECRET=SIGNING)
    (endpoint,) = loaded.settings.webhooks.endpoints.values()
    assert endpoint.events == list(EVENTS)
    assert loaded.origins["webhooks.endpoints.crm.url"] == "config.toml:2"


def test_endpoints_need_a_secret_that_signs(tmp_path: Path) -> None:
    (told,) = complaints(tmp_path, ENDPOINT)
    assert told.startswith("config.toml:1:")
    assert "webhooks.secret: missing; expected the secret that calls are signed with" in told


def test_everything_that_is_wrong_with_an_endpoint_is_told_at_once(tmp_path: Path) -> None:
    text = (
        '[webhooks.endpoints.a]\nurl = "http://crm.example.com/"\nevents = ["licence.renewd"]\n'
        '[webhooks.endpoints.b]\nurl = "https://me:secret@crm.example.com/"\ncolour = 1\n'
        "[webhooks.endpoints.c]\n"
    )
    told = complaints(tmp_path, text, PERENNIAL_WEBHOOKS__SECRET=SIGNING)
    for name in ("a.url", "a.events[0]", "b.url", "b.colour", "c.url"):
        assert any(f"webhooks.endpoints.{name}" in one for one in told), (name, told)
    assert any("licence.renewed" in one for one in told)
    assert not any("secret@" in one for one in told)


def test_a_number_with_decimals_is_read_from_a_variable(root: Path) -> None:
    (root / "config.toml").write_text("[reactivation]\nexponent = 2\n")
    assert load(root, {}, {}).settings.reactivation.exponent == 2
    said = {"PERENNIAL_REACTIVATION__EXPONENT": "1.5"}
    assert load(root, said, {}).settings.reactivation.exponent == 1.5


@pytest.mark.parametrize("said", ["11", "-1", "nan", "three", "1e400"])
def test_an_exponent_that_would_turn_the_queue_round_is_refused(root: Path, said: str) -> None:
    (root / "config.toml").write_text("")
    with pytest.raises(ConfigError, match=r"reactivation\.exponent"):
        load(root, {"PERENNIAL_REACTIVATION__EXPONENT": said}, {})
