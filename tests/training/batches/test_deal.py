"""Dealing rows into batches, and parting those that are hard negatives of each other."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.deal import clashes, deal, part
from mteb_hybrid.training.batches.serving import read_serving
from mteb_hybrid.training.dataset import ParallelDataset
from training.conftest import tagged_corpus


def serving_of(groups, negative_groups=None):
    ones = np.ones(len(groups), dtype=bool)
    corpus = tagged_corpus({"en": ones}, groups=groups, negative_groups=negative_groups)
    return read_serving(ParallelDataset([corpus]), 0, BatchPlan())


@given(st.data(), st.integers(1, 12), st.integers(1, 8), st.integers(0, 99))
def test_no_two_of_a_group_come_into_one_batch(data, batches, size, seed):
    groups = []
    while len(groups) < batches * size:
        most = min(batches, batches * size - len(groups))
        groups += [len(groups)] * data.draw(st.integers(1, most))
    serving = serving_of(groups)
    rows = np.random.default_rng(seed).permutation(len(groups)).astype(np.int32)
    table = deal(rows, serving, batches, np.random.default_rng(seed))
    assert sorted(table.ravel()) == list(range(len(groups)))
    assert all(len(set(serving.groups[batch])) == size for batch in table)


def test_any_two_rows_can_meet():
    serving = serving_of(np.arange(64) // 2)
    met = Counter()
    for seed in range(300):
        random = np.random.default_rng(seed)
        table = deal(random.permutation(64).astype(np.int32), serving, 8, random)
        for batch in table:
            met.update((a, b) for a in batch for b in batch if a < b)
    # 64 rows without their twins: 62 others of which 7 are met, 300 times.
    assert len(met) == 64 * 62 // 2
    assert abs(np.array(list(met.values())) - 300 * 7 / 62).max() < 30


def test_rows_of_a_group_do_not_follow_each_other_and_groups_meet_by_chance():
    groups, near, often = np.arange(400) // 5, [], 0
    serving = serving_of(groups)
    for seed in range(20):
        random = np.random.default_rng(seed)
        table = serving.groups[deal(random.permutation(400).astype(np.int32), serving, 40, random)]
        for group in range(80):
            near += np.diff(np.flatnonzero((table == group).any(axis=1))).tolist()
        met = Counter((a, b) for batch in table for a in batch for b in batch if a < b)
        often += sum(times >= 4 for times in met.values())
    # By chance half a pair of 5 batches in 40 is next to each other, and of 63,200 pairs of groups
    # 17 have four batches or five in common.
    assert abs(np.mean(np.array(near) == 1) - 0.5 / 4) < 0.02
    assert often < 34


def test_examples_are_parted_from_their_hard_negatives():
    chance = np.random.default_rng(0)
    negative_groups = chance.integers(0, 300, (300, 5)).tolist()
    serving = serving_of(np.arange(300), negative_groups)
    table = deal(chance.permutation(300).astype(np.int32), serving, 20, chance)

    def meeting():
        return [
            (batch, place)
            for batch, rows in enumerate(table.tolist())
            for place, row in enumerate(rows)
            if set(negative_groups[row]) & (set(rows) - {row})
        ]

    found = clashes(table, serving.groups, serving.links)
    assert len(found) > 30 and list(map(tuple, found.tolist())) == meeting()
    kinds, spare = np.zeros(20, dtype=int), np.zeros(0, dtype=np.int32)
    assert not len(part(table, kinds, spare, serving, serving.links, chance))
    assert not meeting() and sorted(table.ravel()) == list(range(300))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_row_that_is_selected_several_times_keeps_its_hard_negatives(rows):
    negative_groups = [[(row + 1) % 10, (row + 3) % 10] for row in range(10)]
    corpus = tagged_corpus({"en": np.ones(10, dtype=bool)}, negative_groups=negative_groups)
    serving = read_serving(ParallelDataset([corpus]).select(rows), 0, BatchPlan())
    row_of = dict(zip(serving.groups.tolist(), rows, strict=True))
    for place, row in enumerate(rows):
        found = [] if serving.links is None else serving.links.of(place).tolist()
        assert [row_of[group] for group in found] == [x for x in negative_groups[row] if x in rows]
