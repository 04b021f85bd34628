"""What tests in a real browser share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests import debian

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
SCREENS = tuple((width, scheme) for width in WIDTHS for scheme in SCHEMES)


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


def wrong_with(context: BrowserContext, *paths: str) -> list[str]:
    """What is wrong with pages on a phone and on a desk, by day and by night, a line for each: one
    that is not there or failed, what axe finds, one that has to be scrolled sideways."""
    page, found = context.new_page(), []
    for path in paths:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            answered = page.goto(path)
            here = f"{path} at {width}"
            if answered is None or answered.status not in (200, 422):  # what was asked is refused
                found.append(f"{here}: answered {answered and answered.status}")
            # Parts that are put there after the page; until then a link stands in their place.
            expect(page.locator("[hx-trigger=load] > p > a")).to_have_count(0)
            if is_too_wide(page):
                found.append(f"{here}: wider than the screen")
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                found += [f"{here}, {scheme}: {fault}" for fault in faults(page)]
    context.close()
    return found
