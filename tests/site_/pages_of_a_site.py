"""What the tests of sites look at: kept data without reports, checksums, pages, links."""

import hashlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mteb_hybrid.results.mteb_files import read_result_files
from mteb_hybrid.site.gather import gather, merged
from mteb_hybrid.site.kept import Site


def gathered(*folders) -> Site:
    """What a site would keep of results, without reports."""
    return merged(Site(), gather(read_result_files(folders), lambda *_: None))


def hashes(folder: Path) -> dict[str, str]:
    """Checksums of the files of a folder, by their place in it."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


class Page(HTMLParser):
    """What a page shows as text, its elements, and where its links lead."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.texts).split())
        links = [of.get("href") or of.get("src") or "" for _, of in self.tags]
        self.links = [link for link in links if link and not link.startswith("data:")]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data):
        self.texts.append(data)


def dead_links(folder: Path) -> list[str]:
    """Links of a site's own pages to what is not there."""
    found = []
    for file in sorted(folder.rglob("*.html")):
        page = Page(file)
        ids = {of["id"] for _, of in page.tags if "id" in of}
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            inside = target.is_file() and target.is_relative_to(folder.resolve())
            if not inside or (not parts.path and parts.fragment not in ids):
                found.append(f"{file.name}: {link}")
    return found
