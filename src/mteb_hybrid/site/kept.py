"""What a site keeps of the results it shows: ``results.json``, which the next call adds to."""

import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mteb_hybrid.files.errors import in_words
from mteb_hybrid.files.lines import TextError, json_file
from mteb_hybrid.results.cells import Cell
from mteb_hybrid.results.results import COMPARED
from mteb_hybrid.retrieval.views import Setting

FILE = "results.json"
FORMAT = "mteb-hybrid site 1"

Key = tuple[str, str]
"""Name and revision of a model."""
CardName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
"""Part of the names of files."""
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")]


class SiteError(ValueError):
    """A site that cannot be written. The message names the file and the remedy."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Value(_Kept):
    """A mean over subsets.

    Attributes:
        value: The mean.
        subsets: Of how many subsets.
        measured_on: The share of queries that have a value; None if all have, or it is not known.
        low: Lower end of its 95% bootstrap interval over questions; None without values per query.
        high: The upper end.
    """

    value: float
    subsets: int
    measured_on: float | None = None
    low: float | None = None
    high: float | None = None


class Evaluated(_Kept):
    """One model in one setting of one collection: what its result file says.

    Attributes:
        collection: Name of the card.
        setting: The setting.
        task: Name of the task.
        model: Name of the model, and the options if it was an experiment.
        revision: Its revision.
        data_revision: That of the data; empty if not recorded.
        date: Day of the evaluation (UTC); empty if not recorded.
        versions: Of MTEB, and of what the run says it ran with.
        truncated_at: k, if rankings were cut.
        trained: Whether the model was trained on the collection: yes, no, or not known.
        signature: What the numbers depend on, in one string.
        command: One that evaluates the same.
        commands: Those that were given; empty if they were not recorded.
        expected: The subsets that the setting has.
        means: By measure, of those that a report knows.
        subsets: By measure, then subset: of the measures that tables rank models by.
    """

    collection: CardName
    setting: Setting
    task: str
    model: str
    revision: str
    data_revision: str
    date: Day
    versions: dict[str, str]
    truncated_at: int | None
    trained: str
    signature: str
    command: str
    commands: list[str] = []
    expected: list[str]
    means: dict[str, Value]
    subsets: dict[str, dict[str, float]]

    @property
    def key(self) -> Key:
        """Whose it is."""
        return self.model, self.revision

    @property
    def command_text(self) -> str:
        """The commands that were given, else one that evaluates the same."""
        return " ; ".join(self.commands) or self.command

    def cell(self, measure: str, data_now: str = "") -> Cell | None:
        """A mean with all that limits it; None if there is none."""
        mean = self.means.get(measure)
        if mean is None:
            return None
        return Cell(
            *(mean.value, mean.subsets, len(self.expected)),
            truncated_at=self.truncated_at,
            measured_on=mean.measured_on,
            data=self.data_revision if data_now else "",
            data_now=data_now,
        )


class Model(_Kept):
    """What is known of a model.

    Attributes:
        name: Its name, and the options if it was an experiment.
        revision: Its revision.
        facts: What MTEB's metadata say of it, in words.
        parameters: How many it has; None if that is not known.
        card: Its model card, line by line; empty if none is at hand.
    """

    name: str
    revision: str
    facts: dict[str, str] = {}
    parameters: int | None = None
    card: list[str] = []

    @property
    def key(self) -> Key:
        """Its name and revision."""
        return self.name, self.revision


class Collection(_Kept):
    """What a site says of a collection.

    Attributes:
        name: Name of its card.
        stem: Name of the card's file, as commands take it.
        title: Its name in tables.
        sample: Whether it is only good for trying things out.
        parallel: Whether queries are judged on passages of all languages.
        description: One or two sentences.
        languages: Their names by short code.
        settings: Those that it has.
        revisions: Of its data now, by setting.
        facts: Where its text is from, who made it, and the licence.
        citation: BibTeX, line by line.
        published: Figures of the literature: model, paper, and values by column.
        faults: What is left out of it; empty if nothing.
    """

    name: CardName
    stem: str
    title: str
    sample: bool
    parallel: bool
    description: str
    languages: dict[str, str]
    settings: list[Setting]
    revisions: dict[Setting, str]
    facts: dict[str, str]
    citation: list[str]
    published: list[list[str]]
    faults: str


class Compared(_Kept):
    """One measure of one setting of a model against a baseline, question by question.

    Attributes:
        pools: The subsets that both have; nothing else is compared.
        low: Lower end of the difference's 95% interval; None of too few questions.
        high: The upper end.
        left_out: Other subsets of the setting.
        queries: How many queries both have a value for; nothing else is compared.
        queries_left_out: How many only one of them has a value for.
        truncated_at: k, if rankings of one of them were cut.
    """

    collection: CardName
    setting: Setting
    measure: Annotated[str, Field(pattern=f"^({'|'.join(COMPARED)})$")]
    baseline: Key
    model: Key
    pools: list[str]
    left_out: list[str]
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float
    queries: int
    queries_left_out: int = 0
    truncated_at: int | None = None
    groups: int
    wins: int | None
    losses: int | None
    ties: int | None


class Site(_Kept):
    """All that is on a site.

    Attributes:
        title: Its heading.
        files: The files that the last call wrote; anything else in the folder is not ours.
        refused: What could not be compared, and why.
    """

    format: str = FORMAT
    title: str = "Retrieval within, across and over languages"
    files: list[str] = []
    collections: list[Collection] = []
    models: list[Model] = []
    evaluations: list[Evaluated] = []
    comparisons: list[Compared] = []
    refused: list[str] = []

    @model_validator(mode="after")
    def _all_are_described(self) -> "Site":
        collections = {collection.name for collection in self.collections}
        models = {model.key for model in self.models}
        for e in self.evaluations:
            if e.collection not in collections or e.key not in models:
                raise ValueError(f"{e.task!r} is of a collection or model that is not described")
        for c in self.comparisons:
            if c.collection not in collections or not {c.baseline, c.model} <= models:
                raise ValueError("a test is of a collection or model that is not described")
        return self

    def evaluation(self, key: Key, collection: str, setting: Setting) -> Evaluated | None:
        """One evaluation, None if there is none."""
        for e in self.evaluations:
            if (e.key, e.collection, e.setting) == (key, collection, setting):
                return e
        return None


def read_site(folder: Path) -> Site | None:
    """The site that a folder holds; None if it is empty, or not there.

    Raises:
        SiteError: If it is a file, or holds something else, or its ``results.json`` is damaged.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise SiteError(f"{folder}: is a file; expected a folder for the site. Choose another -o.")
    if not any(folder.iterdir()):
        return None
    file = folder / FILE
    another = "Choose a new or empty folder for -o, or one that this command has written."
    if not file.is_file():
        raise SiteError(f"{folder}: holds something else, and no {FILE} of a site. {another}")
    try:
        content: Any = json_file(file)
    except TextError as error:
        raise SiteError(f"{error}. Move the folder away, and give all results again.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SiteError(f"{file}: is no {FORMAT!r}; what lies in the folder is kept. {another}")
    try:
        return Site.model_validate(content)
    except ValidationError as error:
        raise SiteError(
            f"{file}: {in_words(error.errors()[0])}. It is damaged, or was written by "
            "another version. Move the folder away, and give all results again."
        ) from None


def slug(key: Iterable[str]) -> str:
    """Part of the names of a model's files: safe everywhere, and unlike any other model's."""
    parts = list(key)
    name = re.sub(r"[^A-Za-z0-9.]+", "-", parts[0])[:60].strip("-.") or "model"
    return f"{name}-{sha256(chr(0).join(parts).encode()).hexdigest()[:8]}"
