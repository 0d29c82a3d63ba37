"""What pages take from elsewhere when the site is built, so that it cannot become stale.

A page names it in a comment on a line of its own:

* ``<!-- include: CHANGELOG.md -->``: a Markdown file, by its path in the repository;
* ``<!-- include: README.md#export -->``: one of its ``##`` sections, without the heading, or with
  ``README.md#`` what stands above the first;
* ``<!-- generated: KIND ARGUMENT -->``: what a function of `GENERATED` writes.

A line below it that begins with ``*Made when the site is built`` tells those who read the file; it
is left out.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures
import measure_facts
from card_keys import card_keys
from command_reference import command_reference
from house import house
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[2]
DIRECTIVE = re.compile(
    r"^<!-- (include|generated): (\S+)(?: (\S+))? -->(?:\n\*Made when the site is built.*)?$",
    re.MULTILINE,
)
RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")

# Where files that are read on their own, beside docs/, stand on the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "results/benchmarks.md",
    "models/README.md": "reference/recipes.md",
    "studies/README.md": "reference/studies.md",
    "tasks/README.md": "reference/task-cards.md",
}
GENERATED: dict[str, Callable[..., str]] = {
    "commands": command_reference,
    "consistency": measure_facts.consistency,
    "figure": figures.figure,
    "house": house,
    "keys": card_keys,
    "measure": measure_facts.facts,
    "measures": measure_facts.table,
}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Replace the directives of a page, and lead its links to where things are on the site."""
    source = f"docs/{page.file.src_uri}"

    def written(match: re.Match[str]) -> str:
        directive, what, argument = match.groups()
        if directive == "include":
            return _relinked(_included(what), what.partition("#")[0], page.file.src_uri)
        return GENERATED[what](argument) if argument else GENERATED[what]()

    return DIRECTIVE.sub(written, _relinked(markdown, source, page.file.src_uri))


def _included(what: str) -> str:
    name, part, wanted = what.partition("#")
    text = (ROOT / name).read_text(encoding="utf-8")
    top, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    heads = [slugify(head, "-") for head in parts[::2]]
    sections = {"": top, **dict(zip(heads, parts[1::2], strict=True))}
    if wanted not in sections:
        raise ValueError(f"{name} has no section #{wanted}; it has {', '.join(sections)}")
    return sections[wanted] if part else text


def _relinked(markdown: str, source: str, page: str) -> str:
    """Links of a file of the repository, as they have to be on a page of the site."""

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        place = PAGES.get(path) or path.removeprefix("docs/")
        return posixpath.relpath(place, posixpath.dirname(page) or ".")

    return RELATIVE_LINK.sub(target, markdown)
