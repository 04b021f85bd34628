"""``perennial``: the door that people and cron use.

Help is answered from a table, so that it needs none of the libraries that the commands need.

Completion in a shell comes with click; for bash, zsh or fish, in this order:

    eval "$(_PERENNIAL_COMPLETE=bash_source perennial)"      # in ~/.bashrc
    eval "$(_PERENNIAL_COMPLETE=zsh_source perennial)"       # in ~/.zshrc
    _PERENNIAL_COMPLETE=fish_source perennial | source       # in config.fish
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from worker import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from worker.bootstrap import App

COMMANDS: dict[str, tuple[str, str, str]] = {
    # name: (module, attribute, what help says)
    "demo": (
        "worker.cli.demonstration",
        "demo",
        "Show it at work on a sample book, nothing to set up.",
    ),
    "up": ("worker.cli.running", "up", "Run everything in one process, on config.toml."),
    "worker": (
        "worker.cli.running",
        "worker",
        "Plan and send when a scheduler rings; as many as you like.",
    ),
    "scheduler": ("worker.cli.running", "scheduler", "Look for what is due and ring the workers."),
    "web": ("worker.cli.running", "web", "Serve pages and probes."),
    "tick": ("worker.cadence.commands", "tick", "Do what is due now, then exit: for cron."),
    "check": (
        "worker.cli.checking",
        "check",
        "Check config.toml, schedules and templates, without a database.",
    ),
    "doctor": (
        "worker.cli.running",
        "doctor",
        "Ask what it depends on, and list what waits for a person.",
    ),
    "import": ("worker.catalogue.commands", "import_", "Load one source into the book."),
    "plan": ("worker.cadence.commands", "plan", "Show what will go out, and what an edit changes."),
    "apply": ("worker.cadence.commands", "apply", "Make edited schedules and templates run."),
    "explain": (
        "worker.cadence.explain_commands",
        "explain",
        "Say what was sent for a licence or an account, what was not, and why.",
    ),
    "rehearse": (
        "worker.cadence.commands",
        "rehearse",
        "Play a period on a copy of the book, under a virtual clock.",
    ),
    "approve": (
        "worker.cadence.answer_commands",
        "approve",
        "Let mails go that wait for an approval.",
    ),
    "release": (
        "worker.cadence.answer_commands",
        "release",
        "Go on after a brake has stopped everything.",
    ),
    "stop": (
        "worker.cadence.answer_commands",
        "stop",
        "Stop a licence, an account or a contact, or end a stop.",
    ),
    "confirm-instance": (
        "worker.cadence.answer_commands",
        "confirm_instance",
        "Say that a copied or moved database is the one that shall mail.",
    ),
    "nps": (
        "worker.surveys.commands",
        "nps",
        "Say how likely clients are to recommend us, and how surely that is known.",
    ),
    "delighted": (
        "worker.surveys.fetch_commands",
        "delighted",
        "Read people and answers from an account at Delighted.",
    ),
    "report": (
        "worker.indicators.commands",
        "report",
        "Count renewals, clients who stay, what they are worth, and what is done for them.",
    ),
    "score": (
        "worker.reactivation.commands",
        "score",
        "Say which clients fall silent, what is at stake, and why.",
    ),
    "preview": (
        "worker.cadence.trial_commands",
        "preview",
        "Show a mail as its template's files are now.",
    ),
    "send-test": (
        "worker.cadence.trial_commands",
        "send_test",
        "Send one mail to yourself, marked as a test.",
    ),
    "tasks": ("worker.worklist.commands", "tasks", "List work for people."),
    "mail": (
        "worker.cadence.intervention_commands",
        "mail",
        "Hold, edit or take over one planned mail, or give it back.",
    ),
    "outbox": ("worker.cadence.mail_commands", "outbox", "List mails with their state."),
    "export": (
        "worker.clients.commands",
        "export",
        "Print all that is known of a contact, as JSON.",
    ),
    "erase": ("worker.clients.commands", "erase", "Erase a contact's data from every table."),
    "links": ("worker.clients.commands", "links", "Revoke the links in a contact's mails."),
    "settle": (
        "worker.outbox.commands",
        "settle",
        "Say what became of a mail of which nobody knows whether it left.",
    ),
    "user": ("worker.access.commands", "user", "Add, list, change and disable those who sign in."),
    "token": (
        "worker.access.token_commands",
        "token",
        "Make, list and revoke what lets other systems in.",
    ),
    "db": ("worker.db.commands", "db", "Create and upgrade the tables."),
    "schema": ("worker.schedules.commands", "schema", "Print the JSON Schema of schedules."),
    "config": ("worker.cli.configuration", "config", "Show settings and where each comes from."),
}


class LateApp:
    """The wired application, made when a command first asks it for anything.

    Whatever it does not have itself, it asks ``worker.bootstrap.App`` for.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = "."
        self.environ = environ
        self.flags: dict[str, str] = {}
        self._app: App | None = None

    @property
    def root(self) -> Path:
        """The folder of ``config.toml``, ``schedules/`` and ``templates/``."""
        from pathlib import Path  # it and what it brings cost help a fifth of its time

        return Path(self.folder)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._app is None:
            from worker.bootstrap import App

            self._app = App.open(self.root, self.environ, self.flags)
        return getattr(self._app, name)

    def close(self) -> None:
        """Lets go of the database, if anything opened it."""
        if self._app is not None:
            self._app.close()


class FromTable(click.Group):
    """A group whose commands are imported when they are called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from worker.kernel.errors import did_you_mean

            hint = did_you_mean(args[0], COMMANDS, otherwise="see: perennial --help")
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, _, told) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=told)
            for name, (_, _, told) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _settings(
    _ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    flags = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r}: write section.key=value, e.g. web.port=8080")
        flags[name.strip()] = value
    return flags


@click.command(
    cls=FromTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    envvar="PERENNIAL_ROOT",
    default=".",
    help="The folder of config.toml, schedules/ and templates/.  [default: this one]",
)
@click.option(
    "--set",
    "flags",
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    callback=_settings,
    help="A setting for this call only; may be given several times.",
)
@click.version_option(__version__, prog_name="perennial")
@click.pass_obj
def cli(app: LateApp, root: str, flags: dict[str, str]) -> None:
    """Perennial watches licence expiry dates, sends each client the right reminder at the right
    hour, and can say why.

    Exit codes: 0 done, 1 findings or rejected rows, 2 usage, 3 configuration, 4 a dependency is
    down.
    """
    app.folder = root
    app.flags = flags


def run(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs one command and returns its exit code; errors are told on stderr, without traces."""
    app = LateApp(environ)
    try:
        done = cli.main(list(args), prog_name="perennial", obj=app, standalone_mode=False)
        sys.stdout.flush()
        return done if isinstance(done, int) else 0
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BrokenPipeError:  # whoever read us, as head does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  # the last door: everything is told here
        from worker.cli.failures import told

        return told(error, app.root)
    finally:
        app.close()


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:], os.environ))
