"""What mkdocs is told beside its settings: files of the checkout that the documents point at.

The documents are written for a checkout, where ``../schedules/renewal.toml`` is a neighbour. A site
has no neighbours, so that it takes along what is pointed at.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "getting-started.md", "CHANGELOG.md": "changes.md"}
"""Pages that lie above ``docs/``, and what they are called on the site."""
_ABOVE = re.compile(r"\]\(\.\./([^)#]+)")
_ANYWHERE = re.compile(r"\]\((?!docs/|[a-z]+:|#)([^)]+\w)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages above ``docs/``, and every file beside them that a page names."""
    written = {page: _as_of_docs(page) for page in PAGES}
    for page, name in PAGES.items():
        files.append(File.generated(config, name, content=written[page]))
    texts = [*written.values(), *(text.content_string for text in files.documentation_pages())]
    named = {path for text in texts for path in _ABOVE.findall(text)}
    for path in sorted(named - set(PAGES)):
        content = _content(ROOT / path)
        files.append(File.generated(config, _brought(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that lead out of ``docs/`` lead to what was brought along."""
    return _ABOVE.sub(lambda link: f"]({PAGES.get(link[1]) or _brought(link[1])}", markdown)


def _as_of_docs(page: str) -> str:
    """A page of the top folder, with links as they would be written in ``docs/``."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = _ANYWHERE.sub(r"](../\1)", text)
    return text.replace("](docs/", "](").replace('src="docs/', 'src="')


def _brought(path: str) -> str:
    """Where a file of the checkout lies on the site; as text, whatever it is."""
    return f"files/{path}.txt"


def _content(path: Path) -> str:
    """A file's text; a folder's, the names in it."""
    if path.is_dir():
        return "".join(f"{name}\n" for name in sorted(one.name for one in path.iterdir()))
    return path.read_text(encoding="utf-8")
