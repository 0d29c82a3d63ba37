"""What was added, as an Atom feed (RFC 4287): an entry for each model on each collection."""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

from mteb_hybrid.files.safe_text import prose
from mteb_hybrid.site.boards import boards
from mteb_hybrid.site.kept import Evaluated, Key, Site

ATOM = "http://www.w3.org/2005/Atom"


def feed(site: Site, names: Mapping[Key, str], pages: Mapping[Key, str]) -> bytes | None:
    """The feed, newest first; None if no result says of which day it is.

    Results without a day are left out, and nothing depends on when the feed is written. Links are
    relative to the feed.
    """
    dated: list[tuple[str, str, Key, str, list[Evaluated]]] = []
    for board in boards(site):
        for key, row in board.rows.items():
            if day := max(e.date for e in row.values()):
                title = f"{names[key]} on {board.title}"
                dated.append((day, board.collection.name, key, title, list(row.values())))
    if not dated:
        return None
    dated.sort(key=lambda of: of[1:3])
    dated.sort(key=lambda of: of[0], reverse=True)
    root = ElementTree.Element("feed", xmlns=ATOM)
    _add(root, "id", uuid5(NAMESPACE_URL, f"mteb-hybrid\0{site.title}").urn)
    _add(root, "title", site.title)
    _add(root, "updated", f"{dated[0][0]}T00:00:00Z")
    _add(_add(root, "author", ""), "name", "mteb-hybrid")
    ElementTree.SubElement(root, "link", rel="self", href="feed.xml")
    ElementTree.SubElement(root, "link", rel="alternate", href="index.html")
    for day, name, key, title, ours in dated:
        entry = _add(root, "entry", "")
        signatures = "\0".join(f"{e.task}\0{e.date}\0{e.signature}" for e in ours)
        # Not of the title, which says more once others have the same name.
        _add(entry, "id", uuid5(NAMESPACE_URL, "\0".join((*key, name, signatures))).urn)
        _add(entry, "title", title)
        _add(entry, "updated", f"{day}T00:00:00Z")
        ElementTree.SubElement(entry, "link", rel="alternate", href=pages[key])
        said = (
            f"{e.setting}: map {e.means['map'].value:.4f} ({e.means['map'].subsets} of "
            f"{len(e.expected)} subsets)"
            for e in ours
            if "map" in e.means
        )
        _add(entry, "summary", "; ".join(said))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True)) + b"\n"


def _add(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    child.text = prose(text) or None
    return child
