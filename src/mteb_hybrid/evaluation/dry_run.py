"""What a run would take: texts, tokens, hours, disk, memory. Nothing is downloaded or written."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import mteb
from mteb.models.abs_encoder import get_prompt_name
from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.types import PromptType

from mteb_hybrid.cards.catalogue import collections
from mteb_hybrid.evaluation.to_encode import SIDES, Part, by_statistics, counted, languages
from mteb_hybrid.models.encoding import Backend, EncodingPrecision, encoding_as
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.offline import MODEL_NAME
from mteb_hybrid.models.speed import (
    TEXTS,
    Timed,
    duration,
    not_at_hand,
    time_encoding,
    times_slower,
)
from mteb_hybrid.sources import load_collection

if TYPE_CHECKING:
    from mteb.models import MTEBModels
    from sentence_transformers import SentenceTransformer

PROMPTS = {"queries": PromptType.query, "passages": PromptType.document}
HASH = 32
"""Bytes that an embedding store keeps of each text beside its vector."""
LIBRARIES = 0.7e9
"""Bytes of a process that has loaded torch and mteb, and nothing else."""


class Encoder(NamedTuple):
    """The model whose costs are told, or another that stands for it.

    Attributes:
        model: A model that is at hand.
        slower: How many times as slow as that, and as large, the one that is meant is.
        dimensions: Of the one that is meant, if it is another.
        note: What is said of that.
    """

    model: "MTEBModels"
    slower: float = 1.0
    dimensions: int | None = None
    note: str = ""

    @property
    def inner(self) -> "SentenceTransformer | None":
        """What encodes, if it is one of sentence-transformers."""
        from sentence_transformers import SentenceTransformer

        found = getattr(self.model, "model", None)
        return found if isinstance(found, SentenceTransformer) else None


def find_encoder(
    name: str,
    revision: str | None,
    device: str | None,
    backend: Backend = Backend.TORCH,
    precision: EncodingPrecision | None = None,
) -> Encoder:
    """Load a model as a run would; where a name's is not at hand, the offline encoder instead.

    Args:
        name: Of the model, or its folder.
        revision: Revision on the hub.
        device: A torch device.
        backend: As in `encoding_as`.
        precision: The same.

    Raises:
        ModelError: If it cannot be loaded, and MTEB does not know its size.
    """
    try:
        return Encoder(encoding_as(load_model(name, revision, device), backend, precision))
    except (ImportError, OSError, ValueError):
        slower = times_slower(name)
        if slower is None:
            raise
    width = MODEL_REGISTRY[name].embed_dim
    instead = encoding_as(load_model(MODEL_NAME, None, device), backend, precision)
    dimensions = width if isinstance(width, int) else None
    return Encoder(instead, slower, dimensions, not_at_hand(name, slower))


def dry_run(
    encoder: Encoder, selected: Mapping[str, Sequence[str]], batch_size: int = 32
) -> Iterator[tuple[str, str]]:
    """What a run would take.

    Args:
        encoder: What `find_encoder` returned.
        selected: Task names to subset names.
        batch_size: Texts per batch.

    Yields:
        What, and how much that is.
    """
    if encoder.note:
        yield "model", encoder.note
    known: list[list[Part]] = []
    for name, asked in languages(selected).items():
        card = collections()[name]
        own = counted(card, asked)
        found = by_statistics(card, asked) if own is None else own
        known += [found] if found else []
        yield "texts", f"{name}: {_texts(found, is_counted=own is not None)}"
    # Collections of the same passages, as those of rewritten queries are, have them encoded once.
    parts, inner = list(dict.fromkeys(part for own in known for part in own)), encoder.inner
    if not parts:
        return
    if inner is None:
        yield "time", "not known: it is no model that sentence-transformers encodes with"
        return
    prompts = {side: _prompt(encoder.model, selected, side) for side in SIDES}
    tokens, how = _tokens(parts, inner, prompts)
    whose = "the offline encoder's tokenizer" if encoder.note else "its tokenizer"
    yield "tokens", f"about {_rounded(tokens)} with prompts, by {whose}{how}"
    timed, probed = _probe(parts, inner, prompts["passages"], batch_size)
    speed = probed / timed.seconds / encoder.slower
    yield (
        "time",
        f"about {duration(tokens / speed)} of encoding where no vectors are kept: "
        f"{speed:,.0f} tokens a second on {inner.device}, as busy as it is now, by a probe of "
        f"{timed.texts} texts in batches of {batch_size}; ranking comes on top",
    )
    if parameters := _parameters(inner) * encoder.slower:
        yield (
            "elsewhere",
            f"{2 * parameters * tokens:.2g} FLOP, 2 for each token and parameter beside the "
            f"embeddings; the probe did {2 * parameters * speed:.2g} a second",
        )
    yield from _sizes(known, sum(part.texts for part in parts), inner, encoder)


def _sizes(
    known: Sequence[Sequence[Part]], kept: int, inner: "SentenceTransformer", encoder: Encoder
) -> Iterator[tuple[str, str]]:
    width = encoder.dimensions or inner.get_embedding_dimension() or 0
    texts = [sum(part.texts for part in parts) for parts in known]
    yield (
        "disk",
        f"{_bytes(kept * (width * 4 + HASH))} of vectors with --store, less what is there "
        f"already ({kept:,} texts, {width} numbers each); else none",
    )
    weights = sum(p.numel() * p.element_size() for p in inner.parameters()) * encoder.slower
    characters = max(sum(part.characters for part in parts) for parts in known)
    least = LIBRARIES + weights + 2 * characters + 2 * max(texts) * width * 4
    yield (
        "memory",
        f"at least {_bytes(least)}: libraries, model, texts, and vectors twice, as languages share "
        "a pool; ranks come on top, in blocks",
    )


def _prompt(model: Any, selected: Mapping[str, Sequence[str]], side: str) -> str | None:
    """As MTEB chooses it."""
    prompts = getattr(model, "model_prompts", None) or {}
    task = mteb.get_task(next(iter(selected)))
    name = get_prompt_name(prompts, task.metadata, PROMPTS[side])
    return prompts.get(name) if name else None


def _tokens(
    parts: Sequence[Part], inner: "SentenceTransformer", prompts: Mapping[str, str | None]
) -> tuple[float, str]:
    """Tokens of all texts, and what is to be said of how that is known."""
    total, looked_at, how = 0.0, 0, ""
    rates: dict[str, float] = {}
    for part in parts:
        prompt = prompts[part.side]
        if part.some:
            found = count_tokens(inner, part.some, prompt)
            total += found / len(part.some) * part.texts
            looked_at += len(part.some)
        else:
            rates = rates or _tokens_of_a_character(inner)
            rate = rates.get(part.language, sum(rates.values()) / len(rates))
            total += part.texts * count_tokens(inner, [""], prompt) + part.characters * rate
    if rates:
        how = (
            ", from the number of characters: a token has as many as in the collection `sample`, "
            "and as on average there in languages that it has not"
        )
    elif looked_at < sum(part.texts for part in parts):
        how = f", on a sample of {looked_at:,} texts"
    return total, how


def _tokens_of_a_character(inner: "SentenceTransformer") -> dict[str, float]:
    around, found = count_tokens(inner, [""], None), {}
    passages = load_collection(collections()["sample"]).passages
    for (language,), rows in passages.group_by("language"):
        texts = rows["text"].to_list()
        tokens = count_tokens(inner, texts, None) - around * len(texts)
        found[str(language)] = tokens / sum(map(len, texts))
    return found


def _probe(
    parts: Sequence[Part], inner: "SentenceTransformer", prompt: str | None, batch_size: int
) -> tuple[Timed, int]:
    """How long it takes to encode some passages, and how many tokens they are."""
    by_language = [part.some for part in parts if part.side == "passages" and part.some]
    found = [text for texts in zip_longest(*by_language) for text in texts if text is not None]
    if not found:
        passages = load_collection(collections()["sample"]).passages["text"].to_list()
        found = passages[:: max(1, len(passages) // TEXTS)]

    def encode(texts: list[str]) -> Any:
        return inner.encode_document(
            texts, prompt=prompt, batch_size=batch_size, show_progress_bar=False
        )

    timed = time_encoding(encode, found)
    return timed, count_tokens(inner, found[: timed.texts], prompt)


def count_tokens(model: "SentenceTransformer", texts: Sequence[str], prompt: str | None) -> int:
    """Tokens that a model computes with: those of the prompt too, cut where it cuts, unpadded."""
    found = 0
    for start in range(0, len(texts), 32):
        features = model.preprocess(list(texts[start : start + 32]), prompt=prompt)
        mask = features.get("attention_mask")
        found += int(features["input_ids"].numel() if mask is None else mask.sum())
    return found


def _parameters(model: "SentenceTransformer") -> int:
    """Those that each token is multiplied with: all but the embeddings of words."""
    total = sum(p.numel() for p in model.parameters())
    inner = model.transformers_model
    embeddings = inner.get_input_embeddings() if inner is not None else None
    return total - sum(p.numel() for p in embeddings.parameters()) if embeddings else total


def _texts(parts: Sequence[Part] | None, *, is_counted: bool) -> str:
    if parts is None:
        return (
            "not known how many, as its files are not at hand, and no statistics tell of each "
            "language; --data names the folder that has them"
        )
    queries, passages = (sum(p.texts for p in parts if p.side == side) for side in SIDES)
    how = (
        " that differ, at hand" if is_counted else ", by its statistics: its files are not at hand"
    )
    return f"{queries:,} queries and {passages:,} passages{how}"


def _rounded(number: float) -> str:
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:,.1f} {name}"
    return f"{number:,.0f}"


def _bytes(number: float) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"
