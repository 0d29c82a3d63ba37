"""What an epoch promises, read from the texts of its batches, over seeds and processes."""

import contextlib
import logging
import os
from collections import Counter

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare, kstest

from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.factory import make_sampler
from training.conftest import tagged_corpus

LANGUAGES = ("en", "de", "th", "ar")
SEEDS = range(12)


def dataset(has, **options):
    return ParallelDataset([tagged_corpus(has, **options)])


def sampler_of(data, size=16, seed=0, world_size=1, drop_last=True, batches_per_step=1, **plan):
    return make_sampler(
        data, BatchPlan(**plan), batch_size=size, seed=seed, world_size=world_size,
        drop_last=drop_last, batches_per_step=batches_per_step,
    )  # fmt: skip


def read(sampler, epoch=0):
    """Per group of batches: the rows, query languages and passage languages of its texts."""
    sampler.set_epoch(epoch)
    batches = [sampler.dataset.__getitems__(keys) for keys in sampler]
    assert len(batches) == len(sampler)
    groups = []
    for start in range(0, len(batches), sampler.world_size):
        texts = [text for batch in batches[start : start + sampler.world_size] for text in batch]
        tags = [(text["query"].split(), text["passage"].split()) for text in texts]
        assert all(query[2] == passage[2] for query, passage in tags)
        rows = [int(query[2]) for query, _ in tags]
        groups.append((rows, [query[1] for query, _ in tags], [passage[1] for _, passage in tags]))
    return groups


def language(group):
    """The language of a monolingual group of batches, None of a cross-lingual one."""
    _, queries, passages = group
    if queries == passages:
        assert len(set(queries)) == 1
        return queries[0]
    assert all(x != y for x, y in zip(queries, passages, strict=True))
    return None


def spread(places, count):
    """Whether places of an epoch look uniform, from the places of several epochs."""
    return kstest((np.array(places) + 0.5) / count, "uniform").pvalue > 0.001


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_a_hundred_parallel_rows_of_a_thousand(world_size):
    rows = np.arange(1000)
    has = {code: (rows < 100) | (rows % 4 == n) for n, code in enumerate(LANGUAGES)}
    data, places = dataset(has), []
    for seed in SEEDS:
        sampler = sampler_of(data, 16 // world_size, seed, world_size)
        found = [language(group) for group in read(sampler)]
        crosslingual = [place for place, code in enumerate(found) if code is None]
        # As many as a hundred rows can fill, ...
        assert len(crosslingual) == 6 and len(found) == 62
        # ... the other rows monolingual, ...
        assert all(13 <= found.count(code) <= 15 for code in LANGUAGES)
        places += crosslingual
    # ... anywhere in the epoch, not in its first quarter.
    assert spread(places, 62)
    assert any("cross-lingual 6 of " in sentence for sentence in sampler.sentences)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_a_hundred_rows_of_thai_in_sixteen_hundred(alpha, world_size):
    rows = np.arange(1600)
    data = dataset({code: rows % 16 == 0 if code == "th" else rows >= 0 for code in LANGUAGES})
    places, shares = [], Counter()
    for seed in SEEDS:
        found = read(sampler_of(data, 16 // world_size, seed, world_size, alpha=alpha))
        assert len({row for group in found for row in group[0]}) == 1600
        codes = [language(group) for group in found]
        thai = [place for place, code in enumerate(codes) if code == "th"]
        assert len(thai) <= 6, "96 of the 100 rows: six batches"
        places += thai
        shares.update(codes)
    assert spread(places, 100)
    # Chance draws fewer now and then: 12.5 are expected at alpha .5.
    assert shares["th"] >= 5.8 * len(SEEDS)
    # What Thai cannot have goes to the other languages, and alpha stays.
    batches = 100 * len(SEEDS)
    assert binomtest(batches - shares[None], batches, alpha).pvalue > 0.001
    assert chisquare([shares[code] for code in ("en", "de", "ar")]).pvalue > 0.001


def test_a_group_with_half_of_the_rows():
    rows = np.arange(200)
    data = dataset(dict.fromkeys(LANGUAGES, rows >= 0), groups=np.where(rows < 100, 0, rows))
    sampler = sampler_of(data, drop_last=False)
    turns = Counter()
    epochs = 50
    for epoch in range(epochs):
        found = [row for group in read(sampler, epoch) for row in group[0]]
        assert sum(row < 100 for row in found) == len(sampler) == 7
        turns.update(found)
    # 350 turns for a group of 100: three or four for each.
    assert {turns[row] for row in range(100)} == {3, 4}
    assert {turns[row] for row in range(100, 200)} == {epochs}
    assert "93 rows have no turn in an epoch" in sampler.sentences[-1]


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("crosslingual", ["mixed", "pair"])
def test_holes_shared_passages_rare_languages_and_a_big_group_at_once(world_size, crosslingual):
    chance = np.random.default_rng(3)
    rows = 1200
    shares = {"en": 0.9, "de": 0.6, "th": 0.3, "ar": 0.06}
    has = {
        code: (chance.random(rows) < share, chance.random(rows) < share)
        for code, share in shares.items()
    }
    groups = chance.integers(0, 900, rows)
    groups[:60] = 0
    negative_groups = [chance.integers(0, 900, 3) for _ in range(rows)]
    data = dataset(has, groups=groups, negative_groups=negative_groups)
    turns, fits = Counter(), np.zeros(rows, dtype=bool)
    for x in shares:
        for y in shares:
            fits |= has[x][0] & has[y][1]
    for seed in range(3):
        for epoch in range(2):
            sampler = sampler_of(
                data, 16 // world_size, seed, world_size, crosslingual=crosslingual
            )
            found = read(sampler, epoch)
            every = [row for group in found for row in group[0]]
            assert len(set(every)) == len(every) == 16 * len(found)
            assert len(every) > 0.95 * fits.sum()
            turns.update(every)
            for group in found:
                language(group)
                own = set(groups[group[0]])
                assert len(own) == 16
                for row in group[0]:
                    assert not (own - {groups[row]}) & set(negative_groups[row])
                if crosslingual == "pair":
                    assert len(set(zip(group[1], group[2], strict=True))) == 1
    assert set(turns) == set(np.flatnonzero(fits)) and min(turns.values()) >= 2


def test_what_waits_in_an_epoch_comes_first_in_the_next():
    data = dataset({code: np.ones(110, dtype=bool) for code in LANGUAGES})
    sampler = sampler_of(data, 20)
    before = set()
    for epoch in range(8):
        found = {row for group in read(sampler, epoch) for row in group[0]}
        assert len(found) == 100 and found >= before
        before = set(range(110)) - found


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("counts", [(11, 11), (11, 11, 11), (11, 10, 9), (30, 22)])
def test_rows_that_are_left_over_go_round(counts, drop_last):
    """None is left over in two epochs running, no language more than another of its size."""
    language_of = np.repeat(np.arange(len(counts)), counts)
    has = {LANGUAGES[code]: language_of == code for code in range(len(counts))}
    for seed in SEEDS:
        sampler = sampler_of(dataset(has), 4, seed, drop_last=drop_last, alpha=1.0)
        before, times = set(), Counter()
        for epoch in range(12):
            found = {row for rows, _, _ in read(sampler, epoch) for row in rows}
            left = set(range(len(language_of))) - found
            assert left and not left & before
            times.update(left)
            before = left
        for code, count in enumerate(counts):
            own = [times[row] for row in np.flatnonzero(language_of == code).tolist()]
            assert max(own) - min(own) <= 3
            same = [sum(own) == sum(times[row] for row in np.flatnonzero(language_of == other))
                    for other in range(len(counts)) if counts[other] == count]  # fmt: skip
            assert all(same)


def test_an_epoch_that_has_to_be_the_first_again_leaves_over_others():
    # Of 6 batches all can be filled in few epochs; in the others the plan of the first stands in.
    language_of = np.repeat([0, 1, 2, 3], [15, 15, 15, 9])
    has = {LANGUAGES[code]: (language_of == code) | (language_of == 3) for code in range(3)}
    left = Counter()
    sampler = sampler_of(dataset(has), 8, seed=1)
    for epoch in range(24):
        left.update(set(range(54)) - {row for rows, _, _ in read(sampler, epoch) for row in rows})
    assert left.total() == 6 * 24 and max(left.values()) < 12


def test_alpha_holds_where_few_batches_cannot_be_had(caplog):
    # Rows in one language alone fill no cross-lingual batch, so without some of one language an
    # epoch of all rows would be a batch short.
    rows = np.arange(812)
    data = dataset({"en": rows >= 6, "de": (rows < 6) | (rows >= 12)})
    sampler = sampler_of(data, 4, alpha=[[203, 1.0], [204, 0.0]])
    assert sampler.drawing == 4  # though the first epoch has all rows
    for epoch, least in ((0, 0), (1, 170), (2, 170)):
        found = read(sampler, epoch)
        assert len(found) == 203
        assert sum(language(group) is None for group in found) >= least
    assert "it has those of the first" not in caplog.text


def test_an_epoch_says_once_that_it_is_the_first_again(caplog):
    rows = np.arange(20)
    data = dataset({"en": rows < 9, "de": rows >= 4}, negative_groups=[[x % 2] for x in range(20)])
    read(sampler_of(data, 5, alpha=[[5, 1.0], [6, 0.0]]), epoch=1)
    (said,) = [line for line in caplog.messages if "it has those of the first" in line]
    assert "an epoch, without those that hard negatives bar, do not fill 4 batches" in said


def test_where_no_row_has_two_languages_each_has_its_share():
    rows = np.arange(1600)
    sampler = sampler_of(dataset({"en": rows < 800, "de": rows >= 800}), 10, alpha=0.5)
    assert sampler.drawing == 4
    (passes,) = sampler._passes
    assert binomtest(int(passes.wanted[0]), int(passes.wanted.sum())).pvalue > 1e-4


@pytest.mark.parametrize(
    ("codes", "groups", "drawing"),
    [(["en"], 40, 2), (["en"], 20, 2), (["en", "de"], 40, 2), (["en", "de"], 20, 4)],
)
def test_the_version_of_a_drawing_is_new_only_where_it_may_be_another(codes, groups, drawing):
    has = {code: np.ones(40, dtype=bool) for code in codes}
    data = dataset(has, groups=np.arange(40) % groups)
    assert sampler_of(data, 4, alpha=0.5).drawing == drawing


def test_rows_that_fit_one_kind_alone_are_not_lost_to_those_that_fit_several():
    # 16 rows are Thai and nothing else, which uniform weights would not draw often enough.
    rows = np.arange(1600)
    has = {"en": rows >= 16, "th": rows < 800, "de": rows >= 16}
    for seed in SEEDS:
        found = read(sampler_of(dataset(has), seed=seed, alpha=[[0, 0.02]]))
        assert len({row for group in found for row in group[0]}) == 1600


@pytest.mark.parametrize("world_size", [1, 2])
def test_alpha_counts_steps_as_the_trainer_does(world_size):
    data = dataset({code: np.ones(72 * world_size, dtype=bool) for code in LANGUAGES})
    sampler = sampler_of(
        data, 8, world_size=world_size, batches_per_step=8, alpha=[[0, 1.0], [100, 0.0]]
    )
    assert sampler.groups == 9
    # Nine batches are two steps, of eight and of one.
    assert sampler.alpha(20, 0) == pytest.approx(1 - 40 / 100)
    assert sampler.alpha(20, 8) == pytest.approx(1 - 41 / 100)


@pytest.mark.parametrize(
    ("plan", "count", "said"),
    [
        ({"alpha": 0.0}, 70, "passage in different languages"),
        ({"alpha": 1.0}, 40, "passage in one language"),
        ({"method": "shuffle"}, 40, "passage in one language"),
        ({"languages": ["en"]}, 40, "passage among en"),
    ],
)
def test_rows_that_can_never_serve_are_counted_and_named(plan, count, said):
    rows = np.arange(400)
    has = {"en": (rows >= 0, rows >= 40), "de": (rows >= 110, (rows < 40) | (rows >= 110))}
    sampler = sampler_of(dataset(has), **plan)
    served = {row for epoch in range(3) for group in read(sampler, epoch) for row in group[0]}
    assert len(served) == 400 - count
    assert f"{count} of 400 rows are never trained on, because they" in sampler.sentences[0]
    assert sampler.sentences[0].endswith(said)


def test_nothing_is_said_where_all_is_as_it_was_asked_for(caplog):
    data = dataset({code: np.ones(320, dtype=bool) for code in LANGUAGES})
    with caplog.at_level(logging.WARNING):
        assert sampler_of(data).sentences == []
    assert not caplog.records


def test_examples_that_are_hard_negatives_of_all_others_are_refused_or_left_out():
    ones = np.ones(32, dtype=bool)
    everybody = [[group for group in range(32) if group != row] for row in range(32)]
    data = dataset({"en": ones, "de": ones}, negative_groups=everybody)
    assert {len(rows) for rows, _, _ in read(sampler_of(data, 8))} == {1}
    with pytest.raises(ValueError, match=r"corpus: .* meet their hard negatives wherever they"):
        sampler_of(data, 4, world_size=2)


def test_repeated_rows_do_not_meet_their_hard_negatives():
    data = dataset(
        {"en": np.ones(16, dtype=bool)}, negative_groups=[[row ^ 1] for row in range(16)]
    )
    for twice in (data.repeat(2), ParallelDataset.concatenate([data, data])):
        sampler = sampler_of(twice, 8, alpha=1.0)
        for epoch in range(5):
            for rows, _, _ in read(sampler, epoch):
                assert len(rows) == 8 and not {row ^ 1 for row in rows} & set(rows)


def test_hard_negatives_do_not_decide_the_languages_of_batches(caplog):
    rows, groups, monolingual = 60, 21, []
    ones = np.ones(rows, dtype=bool)
    for seed in range(20):
        chance = np.random.default_rng(seed)
        own = np.arange(rows) % groups
        drawn = [set(chance.choice(groups, 3, replace=False).tolist()) for _ in range(rows)]
        negatives = [sorted(those - {int(group)}) for those, group in zip(drawn, own, strict=True)]
        data = dataset({"en": ones, "de": ones}, groups=own, negative_groups=negatives)
        with caplog.at_level(logging.WARNING):
            batches = read(sampler_of(data, 8, seed))
        monolingual += [language(batch) is not None for batch in batches]
    assert binomtest(sum(monolingual), len(monolingual), 0.5).pvalue > 0.001
    assert "are each other's hard negatives" in caplog.text
    assert "examples are left out" in caplog.text


@settings(max_examples=30 * int(os.environ.get("MTEB_HYBRID_SOAK", "1")), deadline=None)
@given(st.data())
def test_training_never_fails_after_its_first_step_and_has_the_steps_it_promised(given_):
    """Every process gets as many full batches in each epoch as it was told, whatever is dense."""
    draw = given_.draw
    world, size = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 5))
    seed, many = draw(st.integers(0, 999)), draw(st.integers(1, 8))
    chance = np.random.default_rng(seed)
    rows, groups = draw(st.integers(8, 90)), draw(st.integers(8, 60))
    own = np.arange(rows) % groups
    negatives = [
        sorted(set(chance.integers(0, groups, chance.integers(0, many + 1)).tolist()) - {int(g)})
        for g in own
    ]
    english = chance.random(rows) < 0.8
    data = dataset(
        {"en": english, "de": ~english | (chance.random(rows) < 0.6)},
        groups=own,
        negative_groups=negatives,
    )
    sampler = None
    with contextlib.suppress(ParallelDataError):  # at once, or never
        sampler = sampler_of(
            data, size, seed, world, draw(st.booleans()),
            batches_per_step=draw(st.integers(1, 3)), alpha=draw(st.sampled_from([0.0, 0.5, 1.0])),
        )  # fmt: skip
    if sampler is None:
        return
    for epoch in range(4):
        sampler.set_epoch(epoch)
        shards = [list(sampler)]  # accelerate leaves one process alone
        if world > 1:
            shards = [list(BatchSamplerShard(sampler, world, process)) for process in range(world)]
        assert {len(shard) for shard in shards} == {len(sampler) // world}
        for parts in zip(*shards, strict=True):
            examples = [data.example(key) for part in parts for key in part]
            assert world == 1 or {len(part) for part in parts} == {sampler.batch_size}
            held = {int(own[row]) for row, *_ in examples}
            assert len(held) == len(examples) > 0
            for row, *_ in examples:
                assert not (held - {int(own[row])}) & set(negatives[row])
