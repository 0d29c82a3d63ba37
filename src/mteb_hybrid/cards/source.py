"""The ``[source]`` table of a task card: what each data format needs to know, a closed set.

A format is read by the adapter of its name in `mteb_hybrid.sources`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mteb_hybrid.cards.known_faults import KnownFaults
from mteb_hybrid.cards.tables import (
    Archive,
    Commit,
    EachLanguageOnce,
    File,
    FolderAddress,
    FolderInside,
    Repository,
    ShortCode,
    Strict,
    SubsetName,
)

SettingName = Literal["monolingual", "crosslingual", "multilingual"]
ALL_SETTINGS: tuple[SettingName, ...] = ("monolingual", "crosslingual", "multilingual")
BESIDE_THE_CARD = "beside the card"


class _Source(Strict):
    """Where the texts of a collection are.

    Attributes:
        repository: Name of the data set, as it stands in results.
        revision: The commit (or version) of the files.
        empty_subsets: Subsets that the collection does not have, as none of their queries has an
            answer.
        known_faults: Rows that are left out, as the published data set is known to have them.
        leaves_out: The kinds of faults that this format can leave out.
        candidates: What a passage is.
        queries_are_passages: Whether every query is one of the passages, under the same id.
        files: The files that the card lists: one ``per language``, or ``none``.
        most_languages: How many languages a collection can have; None if there is no limit.
    """

    repository: Repository
    revision: Commit
    empty_subsets: tuple[str, ...] = ()
    known_faults: KnownFaults = KnownFaults()
    leaves_out: ClassVar[tuple[str, ...]] = ()
    queries_are_passages: ClassVar[bool] = False
    files: ClassVar[Literal["per language", "none"]] = "per language"
    most_languages: ClassVar[int | None] = None

    @model_validator(mode="after")
    def _faults_of_a_published_source(self) -> Self:
        listed = self.known_faults.listed
        if listed and self.origin == BESIDE_THE_CARD:
            raise ValueError(
                "known_faults: these files lie beside the card, so correct the files themselves "
                "and remove the table; it is for published data sets"
            )
        if wrong := [kind for kind in listed if kind not in self.leaves_out]:
            raise ValueError(
                f"known_faults.{wrong[0]}: this format leaves out "
                f"{', '.join(self.leaves_out) or 'nothing'}; remove the key"
            )
        return self

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """The settings that the collection's own queries and judgments serve.

        Translated queries can add cross-lingual subsets.
        """
        return ALL_SETTINGS

    @property
    def parallel(self) -> bool:
        """Whether passages are translations of each other, each judged.

        Else a query is judged in its own language only, and measures between translations are left
        out.
        """
        return True

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        return BESIDE_THE_CARD

    def further_files(self) -> tuple[File, ...]:
        """The files that the source lists itself, beside those of the languages."""
        return ()

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return False


class FileSource(_Source):
    """Files in a folder.

    Attributes:
        path: Folder of the files: below the data folder and the cache for files that have a
            `url`, else beside the card.
        url: Public folder that the files are downloaded from.
    """

    path: FolderInside
    url: FolderAddress | None = None

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        return self.url or super().origin

    def has_url(self) -> bool:
        """Whether files are downloaded from a public folder."""
        return self.url is not None


class LareqaSource(FileSource):
    """Questions, and paragraphs cut into sentences; read by `mteb_hybrid.sources.lareqa`.

    Attributes:
        candidates: What a passage is: a ``sentence``, or a ``sentence-with-context`` (the
            sentence followed by its paragraph, as LAReQA encodes its candidates).
    """

    format: Literal["lareqa"]
    candidates: Literal["sentence", "sentence-with-context"] = "sentence"


class LinesSource(FileSource):
    """Line-aligned text, one file per language; read by `mteb_hybrid.sources.lines`.

    Attributes:
        groups: A file with one group per line: lines of a group say the same. By default the
            lines of one number are a group.
    """

    format: Literal["lines"]
    groups: File | None = None
    candidates: ClassVar[str] = "line"
    leaves_out: ClassVar[tuple[str, ...]] = ("blank_texts",)
    queries_are_passages: ClassVar[bool] = True

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """Without the monolingual one, in which a query would look for its own text."""
        return ("crosslingual", "multilingual")

    def further_files(self) -> tuple[File, ...]:
        """The file of groups, if there is one."""
        return (self.groups,) if self.groups else ()


class CaptionsSource(FileSource):
    """Captions of images in many languages; read by `mteb_hybrid.sources.captions`.

    Attributes:
        captions: The JSON lines, one per image; in a zip file on their own or as they are.
    """

    format: Literal["captions"]
    captions: File
    candidates: ClassVar[str] = "caption"
    leaves_out: ClassVar[tuple[str, ...]] = ("blank_texts", "repeated_ids")
    queries_are_passages: ClassVar[bool] = True
    files: ClassVar[Literal["per language", "none"]] = "none"

    def further_files(self) -> tuple[File, ...]:
        """The file of captions."""
        return (self.captions,)


class ParallelSource(FileSource):
    """Parallel JSON lines, as for training; read by `mteb_hybrid.sources.parallel`.

    Attributes:
        texts: The files, read one after another.
    """

    format: Literal["parallel"]
    texts: Annotated[tuple[File, ...], Field(min_length=1)]
    candidates: ClassVar[str] = "passage"
    files: ClassVar[Literal["per language", "none"]] = "none"

    def further_files(self) -> tuple[File, ...]:
        """The files of texts."""
        return self.texts


class BeirSource(FileSource):
    """A folder in BEIR's layout, in one language; read by `mteb_hybrid.sources.beir`.

    Attributes:
        archive: A zip file below `url` that holds the folder, under the archive's own name, as
            BEIR publishes its data sets. Without it the folder lies beside the card.
    """

    format: Literal["beir"]
    archive: Archive | None = None
    candidates: ClassVar[str] = "document"
    leaves_out: ClassVar[tuple[str, ...]] = (
        "judged_unknown",
        "judged_empty",
        "judged_twice",
        "repeated_ids",
    )
    files: ClassVar[Literal["per language", "none"]] = "none"
    most_languages: ClassVar[int | None] = 1

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """The monolingual one alone."""
        return ("monolingual",)

    @property
    def parallel(self) -> bool:
        """It is in one language."""
        return False

    @model_validator(mode="after")
    def _archive_and_url(self) -> Self:
        if (self.archive is None) is not (self.url is None):
            raise ValueError(
                "url and archive belong together: [source.archive] is a zip file below url; add "
                "the other one, or remove both for a folder beside the card"
            )
        return self

    def further_files(self) -> tuple[File, ...]:
        """The archive, if there is one."""
        return (self.archive,) if self.archive else ()


class HubPassages(Strict):
    """Where the passages of MIRACL are on the Hugging Face hub.

    Attributes:
        repository: The dataset repository.
        revision: Its commit.
        files: How many files ``docs-0.jsonl.gz``, … each language has there.
    """

    repository: Repository
    revision: Commit
    files: Annotated[dict[ShortCode, Annotated[int, Field(ge=1)]], EachLanguageOnce]


class MiraclSource(FileSource):
    """Topics, judgments and passages of MIRACL; read by `mteb_hybrid.sources.miracl`.

    Attributes:
        path: Folder of the files: below the data folder, else beside the card if there is no
            `passages`.
        passages: Where passages come from if no data folder is named; topics and judgments come
            from `repository`.
    """

    format: Literal["miracl"]
    url: None = None
    passages: HubPassages | None = None
    candidates: ClassVar[str] = "passage"
    leaves_out: ClassVar[tuple[str, ...]] = ("judged_unknown", "judged_twice", "repeated_ids")
    files: ClassVar[Literal["per language", "none"]] = "none"

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """Without the cross-lingual one: no query is judged in another language."""
        return ("monolingual", "multilingual")

    @property
    def parallel(self) -> bool:
        """The passages of each language are its own."""
        return False

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        hub = "https://huggingface.co/datasets/"
        return f"{hub}{self.passages.repository}" if self.passages else super().origin


def whole_match(expression: str) -> str:
    """The expression of a card, as polars takes it, for all of a text."""
    return f"^(?:{expression})$"


def _linear(expression: str) -> str:
    """Refuse what polars (Rust's regex) cannot match in linear time, or has no group ``group``."""
    import polars as pl

    try:
        for tried in (expression, whole_match(expression)):
            groups = pl.Series([""]).str.extract_groups(tried).struct.fields
    except pl.exceptions.PolarsError as error:
        said = str(error).splitlines()[-1]
        raise ValueError(
            f"{expression[:60]!r} is not a valid regular expression ({said}); look-around and "
            "backreferences are none here, as they can take for ever"
        ) from None
    if "group" not in groups:
        raise ValueError(
            f"{expression[:60]!r} lacks a group of the name 'group'; write '(?P<group>…)' around "
            "what is the same in every language"
        )
    return expression


Expression = Annotated[str, AfterValidator(_linear)]


class MtebSource(_Source):
    """A retrieval task of MTEB, which MTEB loads; read by `mteb_hybrid.sources.mteb_task`.

    Attributes:
        task: MTEB's name of the task.
        subset: Name of MTEB's subset with the queries and passages of a language, in which
            ``{short}`` stands for its short code and ``{code}`` for its code, written with an
            underscore as in ``deu_Latn``.
        groups: What tells which texts of different languages say the same: their ids are the
            ``same-id``; passages are ``judged-together``, for the same query; or ``none``: they
            are not parallel, and a query is judged in its own language only.
        query_id: Regular expression of Rust's regex for the ids of queries, for ``same-id``; its
            group ``group`` is what is the same in every language. By default the whole id.
        passage_id: The same for passages.
        shared_queries: Name of MTEB's subset that asks queries of one language of the passages of
            each, for ``judged-together``; placeholders as in `subset`. By default queries with
            the same id are the same query.
        leave_out: Settings that are not registered, such as one that MTEB's task has itself.
    """

    format: Literal["mteb"]
    task: str
    subset: SubsetName = "{short}"
    groups: Literal["same-id", "judged-together", "none"]
    query_id: Expression | None = None
    passage_id: Expression | None = None
    shared_queries: SubsetName | None = None
    leave_out: tuple[SettingName, ...] = ()
    candidates: ClassVar[str] = "passage"
    leaves_out: ClassVar[tuple[str, ...]] = ("judged_unknown", "blank_texts", "repeated_ids")
    files: ClassVar[Literal["per language", "none"]] = "none"

    @model_validator(mode="after")
    def _keys_fit_the_rule(self) -> Self:
        for key, rule in (
            ("query_id", "same-id"),
            ("passage_id", "same-id"),
            ("shared_queries", "judged-together"),
        ):
            if getattr(self, key) is not None and self.groups != rule:
                raise ValueError(f"{key} is for groups = {rule!r} alone; remove it")
        return self

    @property
    def settings(self) -> tuple[SettingName, ...]:
        """All but those left out; without the cross-lingual one if texts are not parallel."""
        missing = {*self.leave_out, *(() if self.parallel else ("crosslingual",))}
        return tuple(setting for setting in ALL_SETTINGS if setting not in missing)

    @property
    def parallel(self) -> bool:
        """Whether `groups` says what belongs together."""
        return self.groups != "none"

    @property
    def origin(self) -> str:
        """Where the texts come from, in words."""
        return f"MTEB's own loader, task {self.task}"


Source = Annotated[
    BeirSource
    | CaptionsSource
    | LareqaSource
    | LinesSource
    | MiraclSource
    | MtebSource
    | ParallelSource,
    Field(discriminator="format"),
]
