"""Several data sets at once: what reaches the losses, in which proportions, and in which order."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_transformers.base.sampler import BatchSamplers, DefaultBatchSampler
from torch.utils.data import ConcatDataset, DataLoader, RandomSampler

from mteb_hybrid import ParallelDataset
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.error import HybridBatchError
from mteb_hybrid.training.batches.factory import SamplerFactory, SeveralFactory
from training.conftest import make_corpus

LANGUAGES = ["en", "de", "th"]


def build(
    parallel=(40, 24), plain=(18,), size=4, weights=None, in_turn=False, world=1, step=1, alpha=0.5,
    drop_last=None,
):  # fmt: skip
    """The sampler as the trainer builds it; parallel data sets first."""
    datasets = [ParallelDataset([make_corpus(rows, LANGUAGES, seed=rows)]) for rows in parallel] + [
        Dataset.from_dict({"text": [f"{rows} {row}" for row in range(rows)]}) for rows in plain
    ]
    generator = torch.Generator()
    make = SamplerFactory(BatchPlan(alpha=alpha), BatchSamplers.BATCH_SAMPLER, world, step)
    options = {"generator": generator, "seed": 7}
    samplers = [
        make(
            dataset,
            batch_size=size,
            drop_last=world > 1 if drop_last is None else drop_last,
            valid_label_columns=[],
            **options,
        )
        for dataset in datasets
    ]
    names = tuple(f"set{place}" for place in range(len(datasets)))
    factory = SeveralFactory(None, names, weights, in_turn, world, step)
    return factory(ConcatDataset(datasets), samplers, **options)


def places(batches):
    for batch in batches:
        assert len({place for place, _ in batch}) == 1, "a batch comes from one data set"
    return [batch[0][0] for batch in batches]


def rows(sampler, batches):
    """The rows of each data set that were drawn."""
    found = {}
    for batch in batches:
        for place, key in batch:
            dataset = sampler.dataset.datasets[place]
            row = dataset.example(key).row if isinstance(dataset, ParallelDataset) else key
            found.setdefault(place, []).append(row)
    return found


def test_an_epoch_has_every_row_of_every_data_set_once():
    sampler = build()
    batches = list(sampler)
    assert len(batches) == len(sampler) == 10 + 6 + 5
    for place, drawn in rows(sampler, batches).items():
        assert sorted(drawn) == list(range(len(sampler.dataset.datasets[place])))


def test_the_order_is_a_function_of_seed_and_epoch():
    first, second = build(), build()
    epochs = []
    for epoch in (0, 1, 0):
        first.set_epoch(epoch)
        epochs.append(list(first))
    assert epochs[0] == epochs[2] != epochs[1]
    second.set_epoch(1)
    assert list(second) == epochs[1], "without having gone through the epoch before"


@settings(max_examples=25, deadline=None)
@given(
    # Of the 6 batches that three processes have, each data set's share is one at least.
    st.lists(st.floats(1, 2.5), min_size=3, max_size=3),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_given_proportions_are_met_to_a_batch(weights, world, epoch):
    sampler = build(weights=tuple(weights), world=world)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    whole = build(world=world)
    assert len(batches) == len(sampler) == len(whole)
    counts = np.array([places(batches).count(place) for place in range(3)]) / world
    exact = np.array(weights) / sum(weights) * len(whole) / world
    assert (np.abs(counts - exact) < 1).all()
    if world > 1:
        return
    # No row a second time before all others had their turn, and then in another order.
    for place, drawn in rows(sampler, batches).items():
        size = len(sampler.dataset.datasets[place])
        assert max(Counter(drawn).values()) == -(-len(drawn) // size)
        if len(drawn) >= 2 * size:
            assert drawn[:size] != drawn[size : 2 * size]


def test_in_turn_ends_with_the_smallest():
    batches = list(build(in_turn=True))
    assert places(batches) == [0, 1, 2] * 5


@pytest.mark.parametrize("world", [2, 3, 4])
def test_all_processes_have_their_batches_from_one_data_set(world):
    sampler = build(world=world, size=2)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler) and len(batches) % world == 0
        for start in range(0, len(batches), world):
            group = batches[start : start + world]
            assert len(set(places(group))) == 1
            keys = [key for batch in group for key in batch]
            drawn = rows(sampler, [keys])[keys[0][0]]
            assert len(set(drawn)) == len(drawn) == 2 * world
            held = sampler.drawn[start // world]
            assert (held.place, held.size) == (keys[0][0], len(keys))
            if keys[0][0] < 2:
                dataset = sampler.dataset.datasets[keys[0][0]]
                assert held.examples == [dataset.example(key) for _, key in keys]


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("plain", [(23,), (31,), (22, 46)])
def test_a_rest_that_fills_no_batch_costs_the_processes_nothing(world, plain):
    """accelerate drops the batches of all processes beside a short one."""
    sampler = build(parallel=(40,), plain=plain, world=world, drop_last=False)
    batches = list(sampler)
    for process in range(world):
        shard = BatchSamplerShard(sampler, world, process)
        assert list(shard) == batches[process::world] and len(shard) == len(sampler) // world


def test_the_schedule_of_alpha_counts_steps_of_the_whole_run():
    """Alpha falls from 1 to 0 between two batches: what is drawn tells where it stood."""
    first = build(step=2)
    per_epoch = len(first)
    change = -(-per_epoch // 2) + 4  # a step of the second epoch
    sampler = build(step=2, alpha=[[change - 0.4, 1.0], [change - 0.3, 0.0]])
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        for position, batch in enumerate(sampler):
            place = batch[0][0]
            step = epoch * -(-per_epoch // 2) + position // 2
            assert sampler.alpha(epoch, position) == (step < change)
            if place == 2:
                continue
            dataset = sampler.dataset.datasets[place]
            pairs = [dataset.example(key)[1:] for _, key in batch]
            assert all(x == y for x, y in pairs) == (step < change)


def test_texts_reach_the_loader_with_workers_as_without():
    def texts(**options):
        sampler = build()
        loader = DataLoader(
            sampler.dataset, batch_sampler=sampler, collate_fn=lambda rows: rows, **options
        )
        return list(loader)

    alone = texts()
    assert alone == texts(num_workers=2)
    assert {tuple(row) for batch in alone for row in batch} == {("query", "passage"), ("text",)}


def test_a_stock_sampler_that_gives_less_than_it_says_begins_again():
    class Short(DefaultBatchSampler):
        def __iter__(self):
            yield from list(super().__iter__())[:-2]

    plain = Dataset.from_dict({"text": [str(row) for row in range(12)]})
    generator = torch.Generator()
    short = Short(RandomSampler(plain, generator=generator), 4, False, generator=generator)
    factory = SeveralFactory(None, ("plain",), None, False, 1, 1)
    sampler = factory(ConcatDataset([plain]), [short], generator=generator, seed=0)
    assert len(list(sampler)) == len(sampler) == 3


@pytest.mark.parametrize(("plain", "world"), [((3,), 2), ((40,), 7)])
def test_data_that_do_not_fill_a_batch_of_all_processes_are_refused(plain, world):
    with pytest.raises(HybridBatchError, match=r"set\d: its rows do not fill one batch of 4 in"):
        build(parallel=(24,), plain=plain, world=world)


def test_a_weight_too_small_for_one_batch_is_refused():
    with pytest.raises(HybridBatchError, match="set2: its weight gives it none of 21 batches"):
        build(weights=(1, 1, 0.01))


def test_workers_that_are_spawned_get_it_all():
    """They unpickle what the trainer's loader holds, and fetch the same texts for the same keys."""
    sampler = build()
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301
    batches = list(sampler)
    assert list(again) == batches
    for keys in batches:
        assert again.dataset.__getitems__(keys) == sampler.dataset.__getitems__(keys)
