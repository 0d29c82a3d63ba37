"""Read rankings of several languages, merge them, and write the result."""

import json
from collections.abc import Sequence
from pathlib import Path

from mteb_hybrid.files.runs import read_mapping, read_run
from mteb_hybrid.files.whole import write_text
from mteb_hybrid.languages.codes import one_name_each
from mteb_hybrid.repair.merge import merged_run, merging, one_run, without_identical_ids
from mteb_hybrid.repair.sample import RepairError

Scores = dict[str, dict[str, float]]


def read_and_merge(
    runs: Sequence[str],
    languages: Path | None,
    how: str,
    subset: str | None = None,
    ignore_identical_ids: bool = False,
) -> Scores:
    """Merge one run of all languages, or one run of each.

    Args:
        runs: One file; or ``LANGUAGE=FILE`` for each language.
        languages: The language of every document, with one file.
        how: Name of a merging; ``none`` leaves the scores as they are.
        subset: Which subset of MTEB predictions.
        ignore_identical_ids: As for `merged_run`.

    Raises:
        RepairError: If the files do not say the language of every document, or cannot be merged.
        RunError: If a file is no ranking.
    """
    chosen = None if how == "none" else merging(how)
    if languages is not None:
        if len(runs) != 1:
            raise RepairError(
                f"{len(runs)} runs and --languages; give one run of all languages, or "
                "LANGUAGE=FILE for each without --languages"
            )
        run, spoken = read_run(Path(runs[0]), subset), read_mapping(languages, "language")
    else:
        named = [text.partition("=") for text in runs]
        wrong = [text for text, (_, equals, _) in zip(runs, named, strict=True) if not equals]
        if wrong:
            raise RepairError(
                f"{wrong[0]}: which language are its documents in? Give LANGUAGE={wrong[0]}, or "
                "--languages for a run of several"
            )
        names = one_name_each(language for language, _, _ in named)
        of_each: dict[str, Scores] = {}
        for written, _, file in named:
            language = names[written]
            if language in of_each:
                raise RepairError(f"two runs in {language}; put them together, or correct one")
            of_each[language] = read_run(Path(file), subset)
        run, spoken = one_run(of_each)
    if ignore_identical_ids:
        run = without_identical_ids(run)
    return run if chosen is None else merged_run(run, spoken, chosen)


def check_output(output: Path, runs: Sequence[str], languages: Path | None = None) -> None:
    """Refuse to write a merged run where it cannot go.

    Args:
        output: The new file.
        runs: As for `read_and_merge`.
        languages: Likewise.

    Raises:
        RepairError: If it is one of the files that are read, or its name promises compression.
    """
    if output.suffix == ".gz":
        raise RepairError(
            f"{output}: runs are written without compression; leave out .gz, and compress it "
            "afterwards"
        )
    read = [Path(name) for run in runs for name in (run, run.partition("=")[2]) if name]
    if any(file.resolve() == output.resolve() for file in (*read, *filter(None, [languages]))):
        raise RepairError(f"{output}: one of the files to merge; choose another --output")


def write_run(run: Scores, file: Path, tag: str) -> None:
    """Write a TREC run, or a BEIR run if the name ends in ``.json``; whole or not at all.

    Args:
        run: ``{query id: {document id: score}}``.
        file: Where it goes.
        tag: Name of the run, for TREC.

    Raises:
        RepairError: If an id has a space, which TREC's format has no place for.
    """
    if file.suffix == ".json":
        text = json.dumps(run, ensure_ascii=False)
    else:
        spaced = [
            x for query, ranked in run.items() for x in (query, *ranked) if len(x.split()) != 1
        ]
        if spaced:
            raise RepairError(
                f"{spaced[0]!r}: an id that is empty or has a space, which a TREC run cannot hold; "
                "write BEIR's format, to a .json file"
            )
        # By score, then by id, descending: trec_eval's order.
        text = "".join(
            f"{query} Q0 {document} {rank} {score!r} {tag}\n"
            for query, ranked in run.items()
            for rank, (document, score) in enumerate(
                sorted(ranked.items(), key=lambda item: (item[1], item[0]), reverse=True), 1
            )
        )
    write_text(file, text, follow=True)
