import csv
import json
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID
from xml.etree import ElementTree

from mteb_hybrid.site.feed import ATOM, feed
from mteb_hybrid.site.kept import FILE, Site
from results.conftest import HOSTILE
from site_.pages_of_a_site import gathered


def test_csv_has_the_numbers_of_the_json(built):
    kept = json.loads((built / FILE).read_text(encoding="utf-8"))
    with (built / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles = {c["name"]: c["title"] for c in kept["collections"]}
    expected = {
        (titles[e["collection"]], e["model"], e["setting"], measure): mean["value"]
        for e in kept["evaluations"]
        for measure, mean in e["means"].items()
    }
    found = {
        (row["collection"], row["model"], row["setting"], row["measure"]): float(row["value"])
        for row in rows
    }
    assert found == expected
    assert {row["other_data"] for row in rows if row["model"] == HOSTILE} == {"yes"}
    assert all(row["signature"] and row["command"].startswith("mteb-hybrid run") for row in rows)


def test_the_feed_is_atom(built):
    """What RFC 4287 (4.1) asks for: id, title and updated, an author, entries with links."""
    root = ElementTree.parse(built / "feed.xml").getroot()  # noqa: S314
    name = f"{{{ATOM}}}"
    assert root.tag == f"{name}feed"
    assert root.findtext(f"{name}author/{name}name")
    entries = root.findall(f"{name}entry")
    assert len(entries) == 5  # two models on two collections, one on one
    ids = set()
    for element in (root, *entries):
        for child in ("id", "title", "updated"):
            assert len(element.findall(f"{name}{child}")) == 1
        ids.add(UUID(element.findtext(f"{name}id").removeprefix("urn:uuid:")))
        datetime.strptime(element.findtext(f"{name}updated"), "%Y-%m-%dT%H:%M:%S%z")
        assert element.findtext(f"{name}title").strip()
    assert len(ids) == 6
    for link in root.iter(f"{name}link"):
        assert not urlsplit(link.get("href")).scheme
        assert (built / link.get("href")).is_file()
    assert any(HOSTILE in entry.findtext(f"{name}title") for entry in entries)


def test_the_feed_has_no_day_that_no_result_says(made):
    site = gathered(made.folder)
    names = pages = {model.key: "x" for model in site.models}
    undated = [e.model_copy(update={"date": ""}) for e in site.evaluations]
    assert feed(site.model_copy(update={"evaluations": undated}), names, pages) is None
    some = [undated[0].model_copy(update={"date": "2026-01-02"}), *undated[1:]]
    found = feed(site.model_copy(update={"evaluations": some}), names, pages)
    assert found.count(b"<entry>") == 1 and found.count(b"2026-01-02T") == 2
    assert feed(Site(), {}, {}) is None
    # An entry stays the same when its names change.
    title = [c.model_copy(update={"title": "Other"}) for c in site.collections]
    other = dict.fromkeys(names, "y")
    renamed = feed(site.model_copy(update={"collections": title}), other, pages)
    read = ElementTree.fromstring(renamed)  # noqa: S314 - ours
    ids = [element.text for element in read.iter(f"{{{ATOM}}}id")]
    assert all(f">{one}<".encode() in feed(site, names, pages) for one in ids)
