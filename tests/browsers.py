"""What tests in a real browser share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests import debian

SCREENS = ((360, "light"), (360, "dark"), (1280, "light"), (1280, "dark"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, headless; an error in CI where there is none."""
    program = debian.needed("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(program.path),
            args=["--no-sandbox", "--disable-gpu"],
            env={**os.environ, **program.variables},
        )
        yield started
        started.close()


def faults(page: Page) -> list[str]:
    """What axe finds wrong, in a line each."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {json.dumps(one['nodes'][0]['target'])}" for one in found]


def is_too_wide(page: Page) -> bool:
    """Whether the page itself, not a box in it, has to be scrolled sideways."""
    return bool(
        page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    )
