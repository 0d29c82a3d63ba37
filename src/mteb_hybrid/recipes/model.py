"""The table ``[model]`` of a recipe: what training starts from, and what of it is trained."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from mteb_hybrid.recipes.table import Table

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Lora(Table):
    """A LoRA adapter (arXiv:2106.09685): all parameters but its own stay as they are.

    Attributes:
        r: Rank.
        alpha: Its output is scaled by alpha / r.
        dropout: Dropout of its input.
        target_modules: Names of the linear layers that get one, such as ``query``.
    """

    r: PositiveInt
    alpha: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target_modules: Annotated[list[str], Field(min_length=1)]


class Bottleneck(Table):
    """Bottleneck adapters (arXiv:1902.00751) after the feed-forward layers (arXiv:2005.00247).

    All parameters but their own stay as they are.

    Attributes:
        reduction_factor: An adapter is as wide as the model, divided by it and rounded down.
    """

    reduction_factor: PositiveInt = 16


class Model(Table):
    """The model that training starts from.

    Attributes:
        name: ``org/name`` on the hub, an offline model of this package, or a folder (absolute,
            or beginning with a dot; then from the current folder, or that of the recipe).
        revision: Its commit on the hub, 40 hex digits. Offline models have one. A folder needs
            none; if it is given, it is compared with `mteb_hybrid.models.contents.folder_hash`.
        pooling: For plain transformers, which say nothing of pooling; refused for others.
        max_seq_length: In tokens; by default the model's own.
        query_prompt: Put before every query, and kept in the trained model.
        passage_prompt: The same for passages.
        freeze: Parameters that stay as they are, by how their names begin: those of the transformer
            as it calls them, those of later modules with the module's name before (``3.linear``).
            With an adapter they all do.
        lora: Train an adapter instead of the model's own parameters.
        bottleneck: The same, with adapters of another kind.
    """

    name: str
    revision: str | None = None
    pooling: Literal["mean", "cls"] | None = None
    max_seq_length: PositiveInt | None = None
    query_prompt: str = ""
    passage_prompt: str = ""
    freeze: list[str] = Field(default_factory=list)
    lora: Lora | None = None
    bottleneck: Bottleneck | None = None

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter is trained, and nothing else."""
        return self.lora is not None or self.bottleneck is not None

    @property
    def on_hub(self) -> bool:
        """Whether it is a name, not a folder."""
        return HUB_NAME.fullmatch(self.name) is not None

    @property
    def is_offline(self) -> bool:
        """Whether it is a model that needs no hub."""
        from mteb_hybrid.models.offline import REVISIONS

        return self.name in REVISIONS

    @model_validator(mode="before")
    @classmethod
    def _with_the_one_revision(cls, given: Any) -> Any:
        from mteb_hybrid.models.offline import REVISIONS

        if isinstance(given, dict) and (name := given.get("name")) in list(REVISIONS):
            return {"revision": REVISIONS[name], **given}
        return given

    @model_validator(mode="after")
    def _is_pinned(self) -> "Model":
        if self.is_offline:
            from mteb_hybrid.models.offline import REVISIONS

            if self.revision != (expected := REVISIONS[self.name]):
                raise ValueError(
                    f"revision of {self.name} is {expected!r}, not {self.revision!r}: remove that "
                    "key (`--set model.revision=` unsets it)"
                )
        elif self.on_hub and not COMMIT.fullmatch(self.revision or ""):
            if self.revision is None and Path(self.name).is_dir():
                raise ValueError(f"{self.name} means the hub; for the folder write './{self.name}'")
            found = f"revision is {self.revision!r}" if self.revision else "no revision"
            raise ValueError(
                f"{found}; expected the commit of {self.name} on the hub, 40 hex digits, so that "
                "the recipe always means the same weights"
            )
        if self.lora and self.bottleneck:
            raise ValueError(
                "lora and bottleneck are two kinds of adapter: remove one (`--set model.lora=` "
                "unsets it)"
            )
        return self
