"""The site of the documents: it builds without a warning, whole, and fetches nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = DOCS / "site" / "mkdocs.yml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site") / "site"
    words = ["build", "--strict", "-f", str(CONFIG), "-d", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("INFO")] == []
    return folder


class Tags(HTMLParser):
    """Every opening tag of a page with its attributes, and all ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def ids(self) -> set[str]:
        return {given["id"] for _, given in self.found if "id" in given}


def pages(site: Path) -> dict[str, Tags]:
    return {one.name: Tags(one.read_text(encoding="utf-8")) for one in site.glob("*.html")}


def places(nav: object) -> Iterator[str]:
    """The files that a navigation leads to."""
    if isinstance(nav, str):
        yield nav
    for inner in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from places(inner)


def test_the_navigation_leads_to_every_page_once_and_to_the_two_above() -> None:
    listed = list(places(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["nav"]))
    written = {page.name for page in DOCS.glob("*.md")}
    assert sorted(listed) == sorted(written | {"getting-started.md", "changes.md"})


def test_each_page_has_its_own_title_and_all_of_the_navigation(site: Path) -> None:
    found = pages(site)
    written = {page.name.replace(".md", ".html") for page in DOCS.glob("*.md")} - {"README.html"}
    assert written | {"index.html", "getting-started.html", "changes.html"} <= set(found)
    for name in written:
        led = {given.get("href", "").partition("#")[0] for tag, given in found[name].found}
        assert written - {name} <= led, name


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    fetched = {"script", "link", "img", "iframe", "source", "object", "embed", "video", "audio"}
    for name, page in pages(site).items():
        for tag, given in page.found:
            if tag in fetched:
                asked = [given.get(one, "") for one in ("src", "href", "srcset", "data")]
                assert not any(urlsplit(one).netloc for one in asked), (name, tag, given)
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//|@import", text), sheet.name


def test_every_link_and_picture_of_the_site_is_there_and_so_is_each_anchor(site: Path) -> None:
    found = pages(site)
    followed = 0
    for name, page in found.items():
        if name == "404.html":  # its links count from the top of a host
            continue
        for _, given in page.found:
            for target in (given.get("href"), given.get("src")):
                parts = urlsplit(target or "")
                if parts.scheme or target is None:
                    continue
                there = site / (unquote(parts.path) or name)
                assert there.exists(), (name, target)
                if parts.fragment and there.suffix == ".html":
                    assert parts.fragment in found[there.name].ids() | {"search-input"}, target
                followed += 1
    assert followed > 1000


def test_the_other_files_that_the_documents_point_at_come_along(site: Path) -> None:
    brought = (site / "files/schedules/renewal.toml.txt").read_text(encoding="utf-8")
    assert brought == (ROOT / "schedules" / "renewal.toml").read_text(encoding="utf-8")


def test_what_is_a_list_or_a_table_in_a_checkout_is_one_on_the_site(site: Path) -> None:
    marks = re.compile(r"^(- |\d+\. |\||```|#)|\]\(", re.M)
    for page in site.glob("*.html"):
        told = re.findall(r"<p>(.*?)</p>", page.read_text(encoding="utf-8"), re.S)
        assert [text for text in told if marks.search(text)] == [], page.name


def test_the_picture_of_the_house_names_its_parts_and_runs_nothing() -> None:
    picture = ElementTree.parse(DOCS / "images" / "architecture.svg").getroot()
    names = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert {"title", "desc"} <= names <= {
        "svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text"
    }  # fmt: skip
    said = {element.text for element in picture.iter() if element.text}
    parts = {"Sources", "Book", "Engine", "Ledger", "Channels", "Beat", "Workers", "Web"}
    assert parts | {"Staff", "Clients"} <= said
    style = "".join(text for text in said if "--ink" in text)
    assert "prefers-color-scheme:dark" in style
    assert "//" not in style
