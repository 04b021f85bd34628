"""A mail of three short files, to be broken in one place at a time."""

from __future__ import annotations

from pathlib import Path

from worker.templating.context import MailContext
from worker.templating.render import Rendered, Renderer, RenderError
from worker.templating.samples import full

MAIL = "renewal/test"
SHIPPED = Path(__file__).parents[2] / "templates"


def texts(
    subject: str = "Hello", body: str = "Text", html: str = "<p>Text</p>", **shared: str
) -> dict[str, str]:
    """The texts of one English mail; ``shared`` are files such as ``layout_html``."""
    folder = f"{MAIL}/en"
    own = {
        f"{folder}/subject.txt": subject,
        f"{folder}/body.txt": body,
        f"{folder}/body.html": html,
    }
    return own | {name.replace("_", "."): text for name, text in shared.items()}


def write(found: dict[str, str], context: MailContext | None = None) -> Rendered:
    """The mail of ``texts``."""
    return Renderer(found).render(MAIL, "en", context or full())


def refusal(found: dict[str, str], context: MailContext | None = None) -> str:
    """What a person reads when the mail cannot be written: the problem's own line."""
    try:
        written = write(found, context)
    except RenderError as error:
        return str(error.problem)
    raise AssertionError(f"the mail was written: {written}")


def lay(folder: Path, found: dict[str, str]) -> Path:
    """``found`` as files under ``folder``/templates; returns that folder."""
    root = folder / "templates"
    for name, text in found.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
