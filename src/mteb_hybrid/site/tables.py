"""The tables of a site's pages, whose cells carry the number that they are sorted by."""

from collections.abc import Mapping
from dataclasses import dataclass

from mteb_hybrid.report.glossary import words
from mteb_hybrid.results.cells import NONE, SHORT
from mteb_hybrid.results.resample import holm
from mteb_hybrid.results.results import COMPARED
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site.boards import Board, Column, languages_of, other_data, some
from mteb_hybrid.site.kept import Collection, Compared, Evaluated, Key, Model

TEXT, NUMBER, LOW = "", "number", "number low"
"""What a column holds; of `LOW` the lowest numbers are the best."""


@dataclass(frozen=True)
class Entry:
    """A cell.

    Attributes:
        text: What it shows.
        note: What stands below, smaller.
        order: What it is sorted by; None for text, and where there is no value.
        href: Where it leads.
        is_code: Whether it is to be copied.
    """

    text: str
    note: str = ""
    order: float | None = None
    href: str = ""
    is_code: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        caption: What it shows.
        head: Titles, each with what its column holds: `TEXT`, `NUMBER` or `LOW`.
        groups: Rows by the title of their group.
        is_sorted: Whether a reader can sort it.
    """

    caption: str
    head: list[tuple[str, str]]
    groups: Mapping[str, list[list[Entry]]]
    is_sorted: bool = False


def leaderboard(
    found: list[Board],
    models: Mapping[Key, Model],
    names: Mapping[Key, str],
    pages: Mapping[Key, str],
) -> Sheet:
    """The table of all models, a group for each board."""
    columns = list(dict.fromkeys(column for board in found for column in board.columns))
    head = [("Model", TEXT), *((title, NUMBER if more else LOW) for title, *_, more in columns)]
    groups = {
        board.title: [
            [
                Entry(names[key], href=pages[key]),
                *(value(board, key, column) for column in columns),
                _parameters(models[key]),
                Entry(trained(board.rows[key])),
            ]
            for key in ranked(board)
        ]
        for board in found
    }
    return Sheet(
        caption="Means over all query languages of a collection, with 95% bootstrap intervals over "
        "questions below them where values per query were kept. Mo.: queries and passages in one "
        "language. Cr.: passages in another one. Mul.: one pool of all languages. Higher map is "
        "better, lower rank distance and lift less 1 less biased.",
        head=[*head, ("Parameters", NUMBER), ("Trained on it", TEXT)],
        groups=groups,
        is_sorted=True,
    )


def ranked(board: Board) -> list[Key]:
    """The models of a board, by map in the pool, else in the last setting that they have."""

    def place(key: Key) -> tuple[float | str, ...]:
        whole = [
            e.means["map"].value
            if board.is_whole(key, column) and (e := board.rows[key][column[1]])
            else -1.0
            for column in reversed(board.columns)
            if column[2] == "map"
        ]
        return *(-value for value in whole), *key

    return sorted(board.rows, key=place)


def value(board: Board, key: Key, column: Column) -> Entry:
    """A model's mean over all subsets; what it lacks, where it lacks some."""
    _, setting, measure, digits, _ = column
    found = board.rows[key].get(setting)
    if column not in board.columns or found is None or measure not in found.means:
        return Entry(NONE)
    if not board.is_whole(key, column):
        expected = board.expected(setting)
        there = len(expected) - len(board.missing(key, column))
        return Entry(NONE, f"{there} of {len(expected)} subsets")
    return mean(found, measure, digits)


def mean(found: Evaluated, measure: str, digits: int, data_now: str = "") -> Entry:
    """A mean with its marks and its interval."""
    of, cell = found.means.get(measure), found.cell(measure, data_now)
    if of is None or cell is None:
        return Entry(NONE)
    note = ""
    if of.low is not None and of.high is not None:
        note = f"{of.low:.{digits}f} to {of.high:.{digits}f}"
    return Entry(cell.text(digits), note, cell.value)


def common(board: Board, names: Mapping[Key, str], pages: Mapping[Key, str]) -> Sheet | None:
    """Every model over the subsets that all have; None where that is nothing new."""
    if not board.uneven or len(board.rows) < 2:
        return None
    said = []
    for column in board.uneven:
        subsets = board.common(column)
        asked = languages_of(subsets, board.collection.languages)
        spoken = some(asked) or "no language: nothing can be compared"
        said.append(
            f"{column[0]}: {len(subsets)} subset{'s' * (len(subsets) != 1)}, asked in {spoken}."
        )
    rows = [
        [
            Entry(names[key], href=pages[key]),
            *(
                Entry(NONE)
                if (v := board.common_value(key, column)) is None
                else Entry(f"{v:.{column[3]}f}", order=v)
                for column in board.uneven
            ),
            Entry(_lacks(board, key)),
        ]
        for key in ranked(board)
    ]
    return Sheet(
        caption=f"{board.title}: over the subsets that all models with any of a setting have. "
        + " ".join(said),
        head=[("Model", TEXT), *((c[0], NUMBER) for c in board.uneven), ("Lacks", TEXT)],
        groups={"": rows},
    )


def _lacks(board: Board, key: Key) -> str:
    said = []
    for column in board.uneven:
        missing = board.missing(key, column)
        if missing:
            whole = len(missing) == len(board.expected(column[1]))
            said.append(f"{column[0]}: {'all' if whole else some(missing)}")
    return "; ".join(said) or "nothing"


def numbers(row: Mapping[Setting, Evaluated], collection: Collection) -> Sheet:
    """All means of one model on one collection, a row for each measure."""
    there = [setting for setting in Setting if setting in row]
    rows = []
    for name, about in words().items():
        cells = [mean(row[s], name, about.digits, collection.revisions.get(s, "")) for s in there]
        if any(cell.text != NONE for cell in cells):
            rows.append([Entry(about.title), Entry(about.better[0]), *cells])
    return Sheet(
        caption=f"{collection.title}: means over subsets. (k/m): over k of m subsets only. "
        "[top k]: from rankings cut at k. [other data]: on another revision of the data than they "
        "have now. Below: 95% bootstrap intervals over questions.",
        head=[("Measure", TEXT), ("Better", TEXT), *((SHORT[s], NUMBER) for s in there)],
        groups={"": rows},
    )


def provenance(row: Mapping[Setting, Evaluated], collection: Collection) -> Sheet:
    """Where the numbers of one model on one collection are from."""
    rows = []
    for setting in Setting:
        if e := row.get(setting):
            versions = ", ".join(f"{name} {v}" for name, v in e.versions.items())
            other = "; not those of now" if other_data(e, collection) else ""
            data = f"Data {e.data_revision or 'not known'}{other}"
            rows.append(
                [
                    Entry(str(setting), e.date or "day not known"),
                    Entry(e.signature, f"{data}. With {versions}.", is_code=True),
                    Entry(e.command_text, _which(e), is_code=True),
                ]
            )
    return Sheet(
        caption=f"{collection.title}: where the numbers are from. Those with the same signature "
        "can be compared. The command is the one that was given, without paths and secrets.",
        head=[("Setting", TEXT), ("Signature", TEXT), ("Command", TEXT)],
        groups={"": rows},
    )


def _which(e: Evaluated) -> str:
    """What is said below the commands, where it is not as it should be."""
    if not e.commands:
        return "Not the one that was given, which the results do not record; it evaluates the same."
    return "" if len(e.commands) == 1 else "Each made some of the subsets."


def tests(found: list[Compared], names: Mapping[Key, str], titles: Mapping[str, str]) -> Sheet:
    """Tests of one model against one baseline; p corrected over all rows of the page."""
    settings = list(Setting)
    found = sorted(
        found, key=lambda c: (c.collection, settings.index(c.setting), COMPARED.index(c.measure))
    )
    corrected = holm([c.p for c in found])
    groups: dict[str, list[list[Entry]]] = {}
    for c, p_holm in zip(found, corrected, strict=True):
        about = words()[c.measure]
        ours = [f"{v:.{about.digits}f}" for v in (c.first, c.second, c.difference)]
        ends = [f"{v:.{about.digits}f}" for v in (c.low, c.high) if v is not None]
        won = NONE if c.wins is None else f"{c.wins} / {c.losses} / {c.ties}"
        limits = [f"without {some(c.left_out)}"] if c.left_out else []
        limits += [f"rankings cut at {c.truncated_at}"] if c.truncated_at else []
        of = f"of {c.queries + c.queries_left_out:,}, " if c.queries_left_out else ""
        groups.setdefault(titles[c.collection], []).append(
            [
                Entry(str(c.setting), "; ".join(limits)),
                Entry(about.title, about.better[1]),
                *(Entry(text) for text in ours[:2]),
                Entry(ours[2], " to ".join(ends)),
                *(Entry("< 0.001" if p < 0.001 else f"{p:.3f}") for p in (c.p, p_holm)),
                Entry(won),
                Entry(f"{c.queries:,}", f"{of}{c.groups:,} questions"),
            ]
        )
    first = found[0]
    head = ("Baseline", "Model", "Difference", "p", "p (Holm)", "Won / lost / tied", "Queries")
    return Sheet(
        caption=f"{names[first.model]} against {names[first.baseline]}, over the subsets and "
        "queries that both have. Differences are model minus baseline, below them their 95% "
        "intervals from a paired bootstrap over questions with all their translations; p from a "
        "paired randomisation test over the same, two-sided; Holm's correction over all rows of "
        "this table.",
        head=[("Setting", TEXT), ("Measure", TEXT), *((title, NUMBER) for title in head)],
        groups=groups,
    )


def trained(row: Mapping[Setting, Evaluated]) -> str:
    """Whether a model was trained on a collection."""
    said = {e.trained for e in row.values()}
    return next(iter(said)) if len(said) == 1 else "not known"


def parameters(count: int | None) -> str:
    """A number of parameters in words."""
    if count is None:
        return "not known"
    for size, unit in ((10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:,}"


def _parameters(model: Model) -> Entry:
    return Entry(parameters(model.parameters), order=model.parameters)
