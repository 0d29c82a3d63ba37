"""``format = "mteb"``: a retrieval task of MTEB."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, model_validator

from mteb_hybrid.cards.source import ALL_SETTINGS, AnySource, SettingName
from mteb_hybrid.cards.tables import SubsetName


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


class MtebSource(AnySource):
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
