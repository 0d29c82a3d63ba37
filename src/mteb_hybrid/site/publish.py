"""Write a site: whole or not at all, with what it had before, and nothing of others lost."""

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mteb_hybrid.files.lock import lock
from mteb_hybrid.files.safe_text import visible
from mteb_hybrid.files.whole import whole
from mteb_hybrid.report.page import write_report
from mteb_hybrid.results.mteb_files import read_result_files
from mteb_hybrid.results.summary import Summary
from mteb_hybrid.site.gather import gather, merged
from mteb_hybrid.site.kept import FILE, Key, Site, SiteError, read_site
from mteb_hybrid.site.pages import report_page, write_pages

REPORTS = "reports/"


def write_site(results: Iterable[Path], output: Path, title: str | None = None) -> Site:
    """Write a site, or add results to one.

    Files in the folder that no earlier call wrote stay as they are: an explorer, ``CNAME``, a
    repository.

    Args:
        results: Result files, or folders to search for them.
        output: The folder.
        title: Its heading; by default the one that it has.

    Returns:
        All that is on the site.

    Raises:
        SiteError: If the folder holds something else, or what it holds is damaged.
        ResultError: As `read_result_files`, and of what is in the files.
        PerQueryError: If values per query are damaged.
    """
    output = Path(os.path.abspath(output))  # noqa: PTH100 - a link there is followed by `whole`
    read_site(output)
    files = read_result_files(results)
    # For the time between reading what is there and writing it again; `whole` locks the folder.
    with lock(output.with_name(f"{output.name}.site")):
        old = read_site(output) or Site()
        others = _others(output, old)
        with whole(output, follow=True) as part:
            part.mkdir()
            _keep_reports(output, part, old)

            def report(summary: Summary, key: Key) -> None:
                (collection,) = summary.collections
                write_report(summary, part / report_page(key, collection.card.name))

            site = merged(old, gather(files, report))
            if title is not None:
                site = site.model_copy(update={"title": visible(title)})
            write_pages(site, part, {name for name, _ in others})
            ours = (file for file in part.rglob("*") if file.is_file())
            names = [FILE, *(file.relative_to(part).as_posix() for file in ours)]
            site = site.model_copy(update={"files": sorted(names)})
            text = json.dumps(site.model_dump(mode="json"), indent=1, ensure_ascii=False)
            (part / FILE).write_text(f"{text}\n", encoding="utf-8", newline="")
            for name, path in others:
                _carry(path, part / name, output)
    return site


def _others(output: Path, old: Site) -> list[tuple[str, Path]]:
    """What lies in the folder and is not of a site, by its place there; folders before files."""
    ours = set(old.files)
    found = ((p.relative_to(output).as_posix(), p) for p in sorted(output.rglob("*")))
    holding = {parent.as_posix() for name in ours for parent in Path(name).parents}
    return [(name, path) for name, path in found if name not in ours and name not in holding]


def _keep_reports(output: Path, part: Path, old: Site) -> None:
    (part / REPORTS).mkdir()
    for name in old.files:
        if name.startswith(REPORTS) and (file := output / REPORTS / Path(name).name).is_file():
            shutil.copyfile(file, part / REPORTS / file.name)


def _carry(path: Path, target: Path, output: Path) -> None:
    """Put what is not ours into the new folder, as it is; without a copy, where that can be."""
    if target.exists() or target.is_symlink():
        raise SiteError(
            f"{path}: is no file of a site, and one of that name is to be written "
            f"there. Move it out of {output}."
        )
    if path.is_dir() and not path.is_symlink():
        target.mkdir()
        return
    try:
        os.link(path, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, target, follow_symlinks=False)
