"""Leaderboards: models on the same data, and no mean over other languages than its neighbour's.

A model that lacks subsets of a setting has no value there, but is told to lack them; and one more
table has every model over the subsets that all of them have.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mteb_hybrid.results.cells import OTHER_DATA, mean, short_revision
from mteb_hybrid.retrieval.views import Setting
from mteb_hybrid.site.kept import Collection, Evaluated, Key, Site

Column = tuple[str, Setting, str, int, bool]
"""Title, setting, measure, digits, and whether more is better."""

MAPS: tuple[Column, ...] = (
    ("Mo. map", Setting.MONOLINGUAL, "map", 4, True),
    ("Cr. map", Setting.CROSSLINGUAL, "map", 4, True),
    ("Mul. map", Setting.MULTILINGUAL, "map", 4, True),
)
DISTANCE: Column = ("rank distance", Setting.MULTILINGUAL, "rank_distance", 1, False)
LIFT: Column = ("lift at 10, less 1", Setting.MULTILINGUAL, "same_language_lift_at_10", 2, False)


@dataclass(frozen=True)
class Board:
    """The models that were evaluated on one revision of a collection's data.

    Attributes:
        collection: The collection.
        revision: What the revision is called if the data have another one now; else empty.
        rows: Every model's evaluations by setting.
    """

    collection: Collection
    revision: str
    rows: Mapping[Key, Mapping[Setting, Evaluated]]

    @property
    def title(self) -> str:
        """Its heading."""
        other = f" {OTHER_DATA}: {self.revision}" if self.revision else ""
        return f"{self.collection.title}{other}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """What models are ranked by: the three settings, and the bias that the judgments allow."""
        there = [column for column in MAPS if column[1] in self.collection.settings]
        return *there, DISTANCE if self.collection.parallel else LIFT

    def expected(self, setting: Setting) -> list[str]:
        """The subsets of a setting."""
        ours = (e.expected for row in self.rows.values() if (e := row.get(setting)))
        return list(dict.fromkeys(subset for subsets in ours for subset in subsets))

    def missing(self, key: Key, column: Column) -> list[str]:
        """The subsets that a model has no value of; all if it was not evaluated in the setting."""
        _, setting, measure, *_ = column
        found = self.rows[key].get(setting)
        there = found.subsets.get(measure, {}) if found else {}
        return [subset for subset in self.expected(setting) if subset not in there]

    def is_whole(self, key: Key, column: Column) -> bool:
        """Whether a model has a value in every subset."""
        return column[1] in self.rows[key] and not self.missing(key, column)

    def common(self, column: Column) -> list[str]:
        """The subsets that all models have that were evaluated in the setting."""
        expected = self.expected(column[1])
        partly = [m for key in self.rows if len(m := self.missing(key, column)) < len(expected)]
        return [subset for subset in expected if not any(subset in lost for lost in partly)]

    @cached_property
    def uneven(self) -> tuple[Column, ...]:
        """The columns in which some model lacks some subsets, but not all."""
        return tuple(
            column
            for column in self.columns
            if any(
                0 < len(self.missing(key, column)) < len(self.expected(column[1]))
                for key in self.rows
            )
        )

    def common_value(self, key: Key, column: Column) -> float | None:
        """A model's mean over the common subsets; None where there is none."""
        _, setting, measure, *_ = column
        found = self.rows[key].get(setting)
        values = found.subsets.get(measure, {}) if found else {}
        cell = mean(values[subset] for subset in self.common(column) if subset in values)
        return cell.value if cell else None


def boards(site: Site) -> list[Board]:
    """The leaderboards of a site: benchmarks before samples, data of today before earlier ones."""
    found: list[Board] = []
    titles = Counter(collection.title for collection in site.collections)
    for collection in sorted(site.collections, key=lambda c: (c.sample, c.title, c.name)):
        if titles[collection.title] > 1:
            title = f"{collection.title} ({collection.name})"
            collection = collection.model_copy(update={"title": title})
        rows: dict[str, dict[Key, dict[Setting, Evaluated]]] = {}
        for e in site.evaluations:
            if e.collection == collection.name:
                row = rows.setdefault(other_data(e, collection), {})
                row.setdefault(e.key, {})[e.setting] = e
        found += [Board(collection, revision, rows[revision]) for revision in sorted(rows)]
    return found


def other_data(e: Evaluated, collection: Collection) -> str:
    """The revision of the data that an evaluation is on, short, unless it is that of today."""
    now = collection.revisions.get(e.setting, "")
    return "" if e.data_revision in ("", now) else short_revision(e.data_revision)


def languages_of(subsets: Iterable[str], passages: Iterable[str]) -> list[str]:
    """The query languages of some subsets, each once.

    Args:
        subsets: Names of subsets, such as ``de-zh-Hans`` and ``de-multi``.
        passages: Languages of the collection's passages.
    """
    ends = sorted((f"-{end}" for end in (*passages, "multi")), key=len, reverse=True)
    asked = (
        subset.removesuffix(next((end for end in ends if subset.endswith(end)), ""))
        for subset in subsets
    )
    return list(dict.fromkeys(asked))


def some(names: Sequence[str], most: int = 12) -> str:
    """Names with commas, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
