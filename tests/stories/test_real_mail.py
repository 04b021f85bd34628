"""From an expiry date to a provider: settings, check, doctor, a trial, and the mails themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.providers import truth
from tests.providers.misbehaving import Provider
from tests.providers.payload import as_message
from tests.providers.smtp_twin import Twin
from worker.cli.main import run

ROOT = Path(__file__).parents[2]
KEY = "SG.canary-of-the-key"
Said = pytest.CaptureFixture[str]


@pytest.fixture
def instance(root: Path, database_url: str) -> Path:
    shutil.copytree(ROOT / "templates", root / "templates")
    shutil.copytree(ROOT / "schedules", root / "schedules")
    (root / "config.toml").write_text(
        f'[database]\nurl = "{database_url}"\n[mail]\nfrom = "Ewa <ewa@example.com>"\n'
        'channel = "sendgrid"\n[mail.sendgrid]\nbase_url = "http://127.0.0.1:9"\n'
        '[mail.smtp]\nhost = "127.0.0.1"\nsecurity = "none"\n',
        encoding="utf-8",
    )
    return root


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path / "provider", key=KEY).running() as made:
        yield made


class Caller:
    """Commands in one instance, with its secrets in variables."""

    def __init__(self, root: Path, said: Said, **variables: str) -> None:
        self.root, self.said = root, said
        self.variables = {f"PERENNIAL_MAIL__{name}": value for name, value in variables.items()}

    def __call__(self, *words: str) -> tuple[int, str]:
        code = run(["--root", str(self.root), *words], self.variables)
        told = self.said.readouterr()
        assert KEY not in told.out + told.err
        return code, told.out + told.err


def test_a_key_that_is_missing_is_a_matter_of_the_configuration(
    instance: Path, capsys: Said
) -> None:
    call = Caller(instance, capsys)
    for words, expected in ((("check",), 1), (("tick",), 3)):
        code, said = call(*words)
        assert code == expected
        assert "config.toml:5:11: mail.sendgrid.api_key: missing" in said


def test_the_doctor_asks_the_provider(instance: Path, capsys: Said, provider: Provider) -> None:
    ours = Caller(instance, capsys, SENDGRID__API_KEY=KEY, SENDGRID__BASE_URL=provider.url)
    assert ours("db", "upgrade")[0] == 0
    _, said = ours("doctor")
    assert "takes mails; nothing proves an unknown" in said
    other = Caller(instance, capsys, SENDGRID__API_KEY="SG.other", SENDGRID__BASE_URL=provider.url)
    code, said = other("doctor")
    assert code == 4
    assert "mail.sendgrid.api_key: SendGrid refuses the key" in said
    assert "SG.other" not in said


TRIAL = ("send-test", "me@example.com", "--template", "renewal/heads-up", "--language", "pl")


def test_a_trial_reaches_the_provider_and_says_under_which_name(
    instance: Path, capsys: Said, provider: Provider, tmp_path: Path
) -> None:
    call = Caller(instance, capsys, SENDGRID__API_KEY=KEY, SENDGRID__BASE_URL=provider.url)
    code, said = call(*TRIAL)
    assert code == 0, said
    (taken,) = truth.accepted(tmp_path / "provider")
    assert str(taken.message_id) in said
    mail = as_message(provider.taken[0])
    assert mail["To"] == "me@example.com"
    assert mail["Subject"].startswith("[TEST] ")
    provider.whims.script = ["401"]
    code, said = call(*TRIAL)
    assert code == 4
    assert "did not take it: 401" in said


def test_a_trial_reaches_a_mail_server(instance: Path, capsys: Said, tmp_path: Path) -> None:
    with Twin(tmp_path / "twin", login=("ewa", KEY)).running() as twin:
        call = Caller(
            instance,
            capsys,
            CHANNEL="smtp",
            SMTP__PORT=str(twin.port),
            SMTP__USERNAME="ewa",
            SMTP__PASSWORD=KEY,
        )
        assert call("check")[0] == 0
        code, said = call(*TRIAL)
        assert code == 0, said
        ((sender, recipient, raw),) = twin.taken
    assert (sender, recipient) == ("ewa@example.com", "me@example.com")
    assert b"Subject: " in raw
    assert "queued as" in said
