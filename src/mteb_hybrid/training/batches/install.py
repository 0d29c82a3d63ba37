"""Putting hybrid batches into a trainer, and finding them there when training begins."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from accelerate.data_loader import DataLoaderDispatcher
from datasets import IterableDataset, IterableDatasetDict
from sentence_transformers.base.sampler import MultiDatasetBatchSamplers

from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.factory import SamplerFactory, SeveralFactory, plan_for
from mteb_hybrid.training.batches.sampler import HybridBatchSampler
from mteb_hybrid.training.batches.several import SeveralDatasetsSampler
from mteb_hybrid.training.dataset import ParallelDataset

Found: TypeAlias = HybridBatchSampler | SeveralDatasetsSampler

ONE_BY_ONE = (
    "leave args.batch_sampler and get_batch_sampler alone after the trainer is built, and give "
    "each trainer arguments of its own"
)


def install(args: Any, plan: BatchPlan) -> None:
    """Put the batch sampler into a trainer's arguments, before it builds its data loader.

    Raises:
        HybridBatchError: If the arguments would take batches apart.
    """
    config = args.accelerator_config
    for option in ("dispatch_batches", "split_batches"):
        if getattr(config, option, None):
            raise HybridBatchError(
                f"accelerator_config has {option}=True, which takes batches apart; every "
                f"process must draw its own whole batches: set {option} to "
                f"{None if option == 'dispatch_batches' else False}"
            )
    otherwise = args.batch_sampler
    if isinstance(otherwise, SamplerFactory):
        otherwise = otherwise.otherwise
    args.batch_sampler = SamplerFactory(
        plan, otherwise, args.world_size, args.gradient_accumulation_steps
    )


def install_several(args: Any, dataset: Any, weights: Mapping[str, float] | None) -> None:
    """Put the sampler that deals out the batches of several data sets into the arguments.

    Args:
        args: The trainer's arguments.
        dataset: What it trains on; nothing is done if that is one data set.
        weights: Share of the batches of each of several.

    Raises:
        HybridBatchError: If rows cannot be chosen, the weights are not for these data sets, or
            the arguments name a sampler that cannot be used.
    """
    parts = dataset if isinstance(dataset, dict) else {"train_dataset": dataset}
    for name, part in parts.items():
        if isinstance(part, IterableDataset) or isinstance(dataset, IterableDatasetDict):
            raise HybridBatchError(
                f"{name} is an {type(part).__name__}, which is read in its own order, but hybrid "
                "batches choose rows by language; ParallelDataset.from_dataset(stream, name='…') "
                "writes it to disk once and maps it from there"
            )
    if not isinstance(dataset, dict):
        if weights is not None:
            raise HybridBatchError(
                "dataset_weights is for a dictionary of several data sets, found one "
                f"{type(dataset).__name__}; the corpora of one ParallelDataset get theirs by "
                "ParallelDataset.mix(…, weights=…)"
            )
        return
    if not any(isinstance(part, ParallelDataset) for part in parts.values()):
        return
    if weights is not None and set(weights) != set(parts):
        raise HybridBatchError(
            f"dataset_weights {dict(weights)} must give a number for each data set of "
            f"train_dataset: {', '.join(parts)}"
        )
    otherwise = args.multi_dataset_batch_sampler
    if isinstance(otherwise, SeveralFactory):
        otherwise = otherwise.otherwise
    in_turn = otherwise == MultiDatasetBatchSamplers.ROUND_ROBIN
    if callable(otherwise) or (in_turn and weights is not None):
        raise HybridBatchError(
            f"args.multi_dataset_batch_sampler is {otherwise!r}, but HybridBatchCallback has "
            "to deal out the batches, so that all processes have theirs from one data set; "
            "leave it out and give the proportions by HybridBatchCallback(dataset_weights=…)"
        )
    args.multi_dataset_batch_sampler = SeveralFactory(
        otherwise,
        tuple(parts),
        None if weights is None else tuple(weights[name] for name in parts),
        in_turn,
        args.world_size,
        args.gradient_accumulation_steps,
    )


def find_sampler(loader: Any) -> Found:
    """The sampler behind a prepared data loader.

    Raises:
        HybridBatchError: If there is none of ours.
    """
    if isinstance(loader, DataLoaderDispatcher):
        raise HybridBatchError(
            "the data loader dispatches batches from one process; set "
            "accelerator_config={'dispatch_batches': None}"
        )
    sampler = getattr(loader, "batch_sampler", None)
    while sampler is not None and not isinstance(
        sampler, (HybridBatchSampler, SeveralDatasetsSampler)
    ):
        sampler = getattr(sampler, "batch_sampler", None)
    if sampler is not None:
        return sampler
    dataset = getattr(loader, "dataset", None)
    several = getattr(dataset, "datasets", [dataset])
    if any(isinstance(own, ParallelDataset) for own in several):
        raise HybridBatchError(
            f"the training batches come from another sampler, not from this callback's; "
            f"{ONE_BY_ONE}"
        )
    raise HybridBatchError(
        f"train_dataset is a {', '.join(type(own).__name__ for own in several)}, expected a "
        "ParallelDataset: see ParallelDataset.from_json and the readers beside it; a Dataset with "
        "columns such as query_en and passage_de goes to ParallelDataset.from_dataset, and several "
        "corpora go into one by ParallelDataset.mix"
    )


def check_parts(args: Any, plan: BatchPlan, parts: Mapping[str, Any]) -> None:
    """Check of training data what may be right for evaluation sets, so that factories let it pass.

    Args:
        args: The trainer's arguments.
        plan: What batches are to consist of.
        parts: The sampler of each data set, by its name; an empty name if there is but one.

    Raises:
        HybridBatchError: If languages are missing, or batches are too small to train on.
    """
    hybrid = {name: own for name, own in parts.items() if isinstance(own, HybridBatchSampler)}
    known = {code for own in hybrid.values() for code in own.dataset.languages}
    unknown = sorted(set(plan.languages or ()) - known)
    if unknown:
        raise HybridBatchError(
            f"languages {unknown} are not in the data, which has {', '.join(sorted(known))}"
        )
    for name, own in hybrid.items():
        if own.plan != plan_for(plan, own.dataset):
            raise HybridBatchError(
                f"the training batches come from one with {own.plan}, not from this callback's "
                f"{plan}; {ONE_BY_ONE}"
            )
        try:
            own.check_training()
        except ParallelDataError as error:
            raise HybridBatchError(f"{name or 'train_dataset'}: {error}") from error


def check_evaluation(args: Any, dataset: Any) -> None:
    """Find out before training whether it could be evaluated, rather than in the middle of it.

    Raises:
        HybridBatchError: If an evaluation set that is parallel gives no batch.
    """
    for name, part in (dataset if isinstance(dataset, dict) else {"": dataset}).items():
        if not isinstance(part, ParallelDataset):
            continue
        try:
            args.batch_sampler(
                part,
                batch_size=args.eval_batch_size,
                drop_last=args.dataloader_drop_last,
                seed=args.seed,
            )
        except ParallelDataError as error:
            raise HybridBatchError(f"eval_dataset {name and repr(name)}: {error}") from error
