"""The command ``mteb-hybrid rewrite``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.cards.catalogue import collection_card
from mteb_hybrid.cards.rewritten import (
    ORIGINAL,
    RewriteProvenance,
    RewrittenCard,
    rewrite_provenance,
    rewrites_folder,
)
from mteb_hybrid.cards.tasks import card_settings, task_name
from mteb_hybrid.commands.options import DeviceOption
from mteb_hybrid.commands.terminal import goes_on, say, told_when_stopped
from mteb_hybrid.files.places import DATA_VARIABLE
from mteb_hybrid.languages.codes import find_language
from mteb_hybrid.languages.near import did_you_mean_language

if TYPE_CHECKING:
    from mteb_hybrid.rewriting.by_model import Model


def rewrite(
    collection: Annotated[str, typer.Argument(help="A collection, such as mlqa-r.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Without a model: typos, no-diacritics, word-order, distractor-name. With one: "
            "paraphrase, distractor, or any name with --prompt. May be repeated."
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An OpenAI-compatible endpoint: what /chat/completions stands behind, such as "
            "http://localhost:8000/v1.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="What the endpoint calls its model.")
    ] = None,
    key_variable: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Environment variable with the endpoint's key; no key is sent without it. It is "
            "never written or printed.",
        ),
    ] = None,
    local: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="A causal language model in a folder, run with transformers."
        ),
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A prompt of your own, with {question} and, if you like, {passage} and "
            "{language} in it.",
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="Of the model's sampling; 0 for none.", min=0, max=2)
    ] = 0.7,
    max_tokens: Annotated[int, typer.Option(help="Longest answer of the model.", min=1)] = 256,
    attempts: Annotated[
        int, typer.Option(help="How often a model is asked for one query at most.", min=1, max=20)
    ] = 3,
    at_once: Annotated[
        int, typer.Option(help="Questions to an endpoint at the same time.", min=1, max=64)
    ] = 4,
    device: DeviceOption = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language", "-l", help="Only queries in this language, such as de; may be repeated."
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Only queries that have this kind of rewrite, or original: any."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all chance.", min=0)] = 0,
    adopt: Annotated[
        str | None,
        typer.Option(
            metavar="WHO",
            help="Take over the files that lie there already, and say who or what wrote them.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="XX=LINES",
            help="Leave the queries of these lines of XX.jsonl out of all kinds, as in "
            "de=11,25; may be repeated.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder that holds the collections' files; overrides {DATA_VARIABLE}. "
            "Rewritten queries go below it; without either, below the user's data folder.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Rewrite queries so that they are harder, and their judgments stay: typos, paraphrases, ….

    Every kind becomes a collection of its own (mlqa-r-typos) with the same passages, beside
    mlqa-r-original: the same queries, unchanged. `mteb-hybrid robustness` compares them. Answers
    of models are kept in the user's cache; the same command again goes on where it stopped.

    Example: mteb-hybrid rewrite mlqa-r --kind typos --kind word-order

    Example: mteb-hybrid rewrite mlqa-r --kind paraphrase --endpoint http://localhost:8000/v1 -m
    MODEL
    """
    if data:
        os.environ[DATA_VARIABLE] = str(data)
    card = collection_card(collection)
    if isinstance(card, RewrittenCard):
        raise ValueError(f"{collection}: is rewritten already; name {card.of.file.stem}")
    languages = [_known(one, card, "--language") for one in language or ()]
    lines: dict[str, list[int]] = {}
    for one in exclude or ():
        code, numbers = _lines(one, card)
        lines.setdefault(code, []).extend(numbers)
    kinds = list(dict.fromkeys(kind or ()))
    if not kinds and adopt is None and not lines:
        raise ValueError("nothing to do: give a --kind, or --adopt WHO for files that lie there")
    if (model or key_variable) and not endpoint:
        raise ValueError("--model and --key-variable are for --endpoint URL; give it, or leave out")
    if not kinds and (languages or like or endpoint or local):
        raise ValueError("give the --kind of rewrites to make")
    if kinds and (adopt is not None or lines):
        raise ValueError("--adopt and --exclude are for files that lie there; leave --kind out")

    from mteb_hybrid.rewriting.overlay import adopt as take_over
    from mteb_hybrid.rewriting.perturbed import PERTURBATIONS, perturb

    if not kinds:
        _say(card, take_over(card, adopt, lines))
        return
    own = [one for one in kinds if one in PERTURBATIONS]
    asked = [one for one in kinds if one not in PERTURBATIONS]
    _check(asked, own, endpoint, model, local, prompt, PERTURBATIONS)

    with told_when_stopped(goes_on):
        only = _only(card, like) if like else None
        if asked:
            from mteb_hybrid.rewriting.prompt import read_prompt

            prompts = {one: read_prompt(one, prompt) for one in asked}
            writer = _model(
                endpoint, model, key_variable, local, temperature, max_tokens, at_once, device
            )
        for one in own:
            about = perturb(card, one, languages, only, seed)
        for one in asked:
            from mteb_hybrid.rewriting.by_model import rewrite as by_model

            about = by_model(card, one, writer, prompts[one], languages, only, seed, attempts)
    _say(card, about, kinds)


def _check(
    asked: Sequence[str],
    own: Sequence[str],
    endpoint: str | None,
    model: str | None,
    local: Path | None,
    prompt: Path | None,
    known: Sequence[str],
) -> None:
    if ORIGINAL in asked:
        raise ValueError(f"--kind {ORIGINAL}: stands for the queries themselves; choose another")
    if asked and not (endpoint or local):
        raise ValueError(
            f"--kind {asked[0]}: needs a language model, --endpoint URL or --local FOLDER; "
            f"without one there are {', '.join(known)}"
        )
    if own and prompt:
        raise ValueError(f"--kind {own[0]} asks no model; leave --prompt out, or rename the kind")
    if endpoint and local:
        raise ValueError("--endpoint and --local: give one of them")
    if endpoint and not model:
        raise ValueError("--endpoint: say which of its models to ask, with --model")
    if not asked and (endpoint or local):
        raise ValueError(f"--kind {own[0]} asks no model; leave --endpoint and --local out")
    if prompt and len(asked) > 1:
        raise ValueError("--prompt is for one --kind; give one command for each")


def _model(
    endpoint: str | None,
    model: str | None,
    key_variable: str | None,
    local: Path | None,
    temperature: float,
    max_tokens: int,
    at_once: int,
    device: str | None,
) -> "Model":
    if endpoint and model:
        from mteb_hybrid.rewriting.endpoint import Endpoint

        return Endpoint(endpoint, model, temperature, max_tokens, key_variable, at_once)
    from mteb_hybrid.models.load import check_device
    from mteb_hybrid.rewriting.local import LocalModel

    if device:
        check_device(device)
    assert local is not None  # noqa: S101 - checked with the options
    return LocalModel(local, temperature, max_tokens, device)


def _known(language: str, card: TaskCard, option: str) -> str:
    codes = {short: found.code for short, found in card.languages.items()}
    found = find_language(language, codes)
    if found is None:
        raise ValueError(
            f"{option} {language}: not in {card.title}{did_you_mean_language(language, codes)} "
            f"It has {', '.join(codes)}"
        )
    return found


def _lines(given: str, card: TaskCard) -> tuple[str, list[int]]:
    language, equals, numbers = given.partition("=")
    parts = numbers.split(",") if numbers.strip() else []
    if not equals or not all(part.strip().isascii() and part.strip().isdecimal() for part in parts):
        raise ValueError(
            f"--exclude {given}: expected a language and lines of its file, as in de=11,25; "
            "nothing behind the = leaves none out"
        )
    return _known(language, card, "--exclude"), [int(part) for part in parts]


def _only(card: TaskCard, kind: str) -> set[str]:
    """Ids of the queries that have a kind of rewrite."""
    from mteb_hybrid.sources import load_queries

    about = rewrite_provenance(card)
    known = (ORIGINAL, *about.kinds) if about else ()
    if kind not in known:
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise ValueError(f"--like {kind}: no such rewrites of {card.title}; {there}")
    return set(load_queries(collection_card(f"{card.file.stem}-{kind}"))["id"])


def _say(card: TaskCard, about: RewriteProvenance, kinds: Sequence[str] = ()) -> None:
    say(f"{rewrites_folder(card.file.stem)}:")
    for kind, rewrites in about.kinds.items():
        if kinds and kind not in kinds:
            continue
        counts = ", ".join(f"{x} {found.queries}" for x, found in rewrites.languages.items())
        say(f"  {kind}, by {rewrites.by}: {counts}")
        for language, reasons in rewrites.rejected.items():
            told = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
            say(f"    {language}, left out: {told}", err=True)
    if about.excluded:
        told = ", ".join(f"{x} {len(ids)}" for x, ids in about.excluded.items())
        say(f"  left out of all kinds: {told}")
    stem = card.file.stem
    names = " ".join(f"{stem}-{kind}" for kind in (ORIGINAL, *(kinds or about.kinds)))
    setting = card_settings(card)[0]
    made = collection_card(f"{stem}-{ORIGINAL}")
    say(f"evaluate them with: mteb-hybrid run -m MODEL {names}")
    say(f"or one task after the other: mteb run -m MODEL -t {task_name(made, setting)}")
