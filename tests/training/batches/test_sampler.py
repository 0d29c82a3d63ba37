from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare, kstest

from mteb_hybrid import HybridBatchSampler, ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from mteb_hybrid.recipes.plan import BatchPlan
from mteb_hybrid.training.batches.factory import make_sampler
from training.conftest import make_corpus

LANGUAGES = ["en", "de", "th", "ar"]


def batches(sampler):
    return [[sampler.dataset.example(key) for key in batch] for batch in sampler]


def is_monolingual(batch):
    return len({(x, y) for _, x, y in batch}) == 1 and batch[0][1] == batch[0][2]


def sampler_of(data, size=16, seed=1, **options):
    names = {"drop_last", "world_size", "batches_per_step"}
    rest = {key: options.pop(key) for key in names & set(options)}
    return make_sampler(data, BatchPlan(**options), batch_size=size, seed=seed, **rest)


@pytest.fixture(scope="module")
def whole():
    return ParallelDataset([make_corpus(6400, LANGUAGES)])


@pytest.fixture(scope="module")
def holes():
    return ParallelDataset([make_corpus(1000, LANGUAGES, missing=0.4, groups=700)])


plans = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["hybrid", "hybrid", "mixed"]),
        "alpha": st.sampled_from([0.0, 0.3, 0.5, 1.0, [[0, 1.0], [20, 0.0]]]),
        "crosslingual": st.sampled_from(["mixed", "pair"]),
        "language_weights": st.sampled_from(["uniform", "size", 2.0]),
        "drop_last": st.booleans(),
        "world_size": st.sampled_from([1, 2, 3]),
        "size": st.sampled_from([2, 7, 16]),
        "seed": st.integers(0, 9),
    }
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=plans,
    rows=st.integers(60, 200),
    missing=st.sampled_from([0.0, 0.3, 0.7]),
    epoch=st.integers(0, 3),
)
def test_whatever_the_data_and_the_plan(plan, rows, missing, epoch):
    data = ParallelDataset([make_corpus(rows, LANGUAGES, missing, seed=rows)])
    try:
        sampler = sampler_of(data, **plan)
    except ParallelDataError as error:
        raise AssertionError("60 rows give every process an example") from error
    sampler.set_epoch(epoch)
    keys = list(sampler)
    # Exact length, and the order is a function of seed and epoch only.
    assert len(keys) == len(sampler)
    again = sampler_of(data, **plan)
    list(islice(again, 2))
    again.set_epoch(epoch)
    assert list(again) == keys
    world = plan["world_size"]
    found = [[data.example(key) for key in batch] for batch in keys]
    for start in range(0, len(found), world):
        group = [example for batch in found[start : start + world] for example in batch]
        kinds = {is_monolingual(batch) for batch in found[start : start + world]}
        languages = {x == y for _, x, y in group}
        # The batches of all processes are of one kind, ...
        if plan["method"] == "mixed":
            assert languages == {True}
        else:
            assert len(languages) == 1 or plan["size"] == 1
            assert len(kinds) == 1 or languages == {False}
        # ... and no two of their examples share a group.
        rows_ = [example.row for example in group]
        assert len({data.corpora[0].group(row) for row in rows_}) == len(rows_)
    every = [example.row for batch in found for example in batch]
    assert len(set(every)) == len(every), "a row has at most one turn"


@pytest.mark.parametrize(
    "plan", [{"alpha": 1.0}, {"alpha": 0.0}, {}, {"crosslingual": "pair"}, {"method": "mixed"}]
)
def test_every_row_has_its_turn_once_an_epoch_where_all_are_complete(whole, plan):
    sampler = sampler_of(whole, **plan)
    for epoch in (0, 5):
        sampler.set_epoch(epoch)
        rows = [example.row for batch in batches(sampler) for example in batch]
        assert sorted(rows) == list(range(6400))


def test_rows_with_holes_have_their_turns_too(holes):
    sampler = sampler_of(holes)
    turns = Counter()
    for epoch in range(6):
        sampler.set_epoch(epoch)
        rows = [example.row for batch in batches(sampler) for example in batch]
        # At the end of an epoch the rows left may not fit together, or go with others' groups.
        assert len(set(rows)) > 0.95 * 1000
        turns.update(set(rows))
    assert set(turns) == set(range(1000))
    assert min(turns.values()) >= 4


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_batches_are_monolingual_with_probability_alpha(whole, alpha):
    kinds = []
    for epoch in range(3):
        sampler = sampler_of(whole, alpha=alpha, seed=4)
        sampler.set_epoch(epoch)
        kinds += [is_monolingual(batch) for batch in batches(sampler)]
    assert len(kinds) == 1200
    assert binomtest(sum(kinds), len(kinds), alpha).pvalue > 0.001
    # Neighbours are independent: a monolingual batch says nothing about the next one.
    both = sum(a and b for a, b in zip(kinds[::2], kinds[1::2], strict=True))
    assert binomtest(both, len(kinds) // 2, alpha**2).pvalue > 0.001


def test_languages_and_pairs_are_uniform(whole):
    found = batches(sampler_of(whole, seed=2))
    mono = Counter(batch[0][1] for batch in found if is_monolingual(batch))
    pairs = Counter((x, y) for batch in found for _, x, y in batch if x != y)
    assert chisquare([mono[code] for code in range(4)]).pvalue > 0.001
    counts = [pairs[x, y] for x in range(4) for y in range(4) if x != y]
    assert len(pairs) == 12 and chisquare(counts).pvalue > 0.001
    pairs_batches = batches(sampler_of(whole, alpha=0.0, crosslingual="pair"))
    assert all(len({(x, y) for _, x, y in batch}) == 1 for batch in pairs_batches)
    counts = Counter(batch[0][1:] for batch in pairs_batches)
    assert len(counts) == 12 and chisquare(list(counts.values())).pvalue > 0.001


def test_languages_follow_sizes_or_a_temperature():
    english = make_corpus(9000, LANGUAGES)
    # A tenth of the rows has Thai.
    table = english._table.table
    column = table.column("query_th").to_pylist()
    thai = [text if row % 10 == 0 else None for row, text in enumerate(column)]
    import pyarrow as pa
    from datasets.table import InMemoryTable

    from mteb_hybrid.training.corpus import Corpus

    place = table.column_names.index("query_th")
    table = table.set_column(place, "query_th", pa.array(thai))
    data = ParallelDataset([Corpus("c", InMemoryTable(table))])
    for weights, expected in (("size", [10, 10, 1, 10]), (2.0, [10**0.5, 10**0.5, 1, 10**0.5])):
        found = batches(sampler_of(data, 10, alpha=0.3, language_weights=weights))
        mono = Counter(batch[0][1] for batch in found if is_monolingual(batch))
        counts = np.array([mono[code] for code in range(4)])
        share = np.array(expected) / sum(expected)
        assert chisquare(counts, counts.sum() * share).pvalue > 0.001
    # Uniform would need a quarter of the batches: there are rows for a tenth of them.
    uniform = batches(sampler_of(data, 10, alpha=1.0))
    thai_places = [place for place, batch in enumerate(uniform) if batch[0][1] == 2]
    assert len(thai_places) == 90
    # Spread over the epoch, not used up at first.
    assert kstest(thai_places, "uniform", (0, len(uniform))).pvalue > 0.001


def test_a_schedule_moves_alpha_over_the_steps(whole):
    plan = {"alpha": [[0, 1.0], [200, 0.0]], "batches_per_step": 2}
    found = [is_monolingual(batch) for batch in batches(sampler_of(whole, **plan))]
    assert len(found) == 400
    assert all(found[:3])
    shares = [np.mean(found[start : start + 100]) for start in range(0, 400, 100)]
    assert np.allclose(shares, [0.875, 0.625, 0.375, 0.125], atol=0.15)
    sampler = sampler_of(whole, **plan)
    sampler.set_epoch(1)
    assert not any(map(is_monolingual, batches(sampler)))


def test_groups_of_batches_share_their_plan_across_processes(whole):
    found = batches(sampler_of(whole, world_size=4))
    languages = [
        {(batch[0][1], batch[0][2]) if is_monolingual(batch) else "cross" for batch in four}
        for four in (found[start : start + 4] for start in range(0, len(found), 4))
    ]
    assert all(len(kinds) == 1 for kinds in languages)


def test_corpora_mix_in_proportion_to_their_rows_or_by_weights():
    corpora = [make_corpus(320, LANGUAGES, name="large"), make_corpus(80, ["en"], name="english")]
    found = batches(sampler_of(ParallelDataset(corpora), alpha=0.0, drop_last=True))
    large = [batch for batch in found if batch[0].row < 320]
    english = [batch for batch in found if batch[0].row >= 320]
    assert (len(large), len(english)) == (20, 5)
    assert all(example.row >= 320 for batch in english for example in batch)
    # A corpus with one language gives monolingual batches, whatever alpha is.
    assert all(map(is_monolingual, english)) and not any(map(is_monolingual, large))
    weighted = ParallelDataset(corpora, {"large": 0.2, "english": 0.8})
    found = batches(sampler_of(weighted, drop_last=True))
    assert Counter(batch[0].row >= 320 for batch in found) == {True: 20, False: 5}
    turns = Counter(example.row for batch in found for example in batch if example.row >= 320)
    assert set(turns.values()) == {4}, "20 batches are four passes over 80 rows"


def test_a_corpus_that_its_weight_gives_no_batch_is_refused():
    corpora = [make_corpus(rows, ["en", "de"], name=name) for name, rows in (("a", 80), ("b", 40))]
    with pytest.raises(ParallelDataError, match=r"b: its weight gives it none of 15 batches"):
        sampler_of(ParallelDataset(corpora, {"a": 100, "b": 1}), 8)
    few = sampler_of(ParallelDataset(corpora, {"a": 14, "b": 1}), 8)
    assert sum(batch[0].row >= 80 for batch in batches(few)) == 1


def test_weights_are_refused_by_the_plain_shuffle_which_has_none():
    corpora = [make_corpus(80, ["en", "de"], name=name) for name in "ab"]
    with pytest.raises(ParallelDataError, match=r"'a': 0.9.*leave the weights out .*`weight`"):
        sampler_of(ParallelDataset(corpora, {"a": 9, "b": 1}), 8, method="shuffle")


def test_english_only_and_one_language_per_example(whole):
    english = batches(sampler_of(whole, alpha=1.0, languages=("en",)))
    assert {(x, y) for batch in english for _, x, y in batch} == {(0, 0)}
    mixed = batches(sampler_of(whole, method="mixed"))
    assert all(x == y for batch in mixed for _, x, y in batch)
    assert not any(map(is_monolingual, mixed))


def test_the_plain_shuffle_takes_every_translation_once(holes):
    sampler = sampler_of(holes, method="shuffle")
    examples = [tuple(example) for batch in batches(sampler) for example in batch]
    counts = holes.counts()
    same = sum(n for _, x, y, n in counts.iter_rows() if x == y)
    assert len(set(examples)) == len(examples) == same
    assert len(sampler) == -(-same // 16)


def test_a_short_batch_comes_last_and_can_be_left_out(corpus):
    data = ParallelDataset([corpus(50, LANGUAGES)])
    assert [len(batch) for batch in sampler_of(data)] == [16, 16, 16, 2]
    assert [len(batch) for batch in sampler_of(data, drop_last=True)] == [16, 16, 16]


@pytest.mark.parametrize("drop_last", [False, True])
def test_data_that_fill_no_batch_make_smaller_ones(corpus, caplog, drop_last):
    def sizes(data, *arguments, **options):
        sampler = sampler_of(data, *arguments, drop_last=drop_last, **options)
        sampler.check_training()
        return [len(batch) for batch in sampler]

    few = ParallelDataset([corpus(5, LANGUAGES)])
    assert sizes(few) == [5]
    assert "batches are of 5 instead of 16" in caplog.text
    # accelerate wants batches of one size from several processes.
    assert sizes(few, world_size=2) == [2, 2]
    assert sizes(few, method="shuffle") == ([16] if drop_last else [16, 4])
    assert sizes(few, 32, method="shuffle") == [20]
    assert "20 translations do not fill a batch in each process" in caplog.text
    assert sizes(few, 16, method="shuffle", world_size=3) == [6, 6, 6]
    data = ParallelDataset([corpus(100, LANGUAGES, groups=10)])
    assert sizes(data) == [10] * 10
    assert sizes(data, 6, world_size=2) == [5] * 20


def test_small_batches_that_are_well_to_evaluate_but_not_to_train(corpus):
    large, row = corpus(64, LANGUAGES, name="large"), corpus(1, LANGUAGES, name="small")
    for data in (ParallelDataset([row]), ParallelDataset([large, row])):
        sampler = sampler_of(data)
        assert min(map(len, sampler)) == 1
        with pytest.raises(ParallelDataError, match=r"small: .* one example.*batches\.size.* to 1"):
            sampler.check_training()
        sampler_of(data, 1).check_training()
    with pytest.raises(ParallelDataError, match=r"small: .* 2 different groups, one for each"):
        sampler_of(ParallelDataset([row]), world_size=2)
    data = ParallelDataset([large, corpus(6, LANGUAGES, name="small")])
    sampler_of(data).check_training()
    sampler = sampler_of(data, world_size=2)
    assert {len(batch) for batch in sampler} == {3}
    assert [sentence[:16] for sentence in sampler.sentences] == ["small: at most 6"]
    with pytest.raises(
        ParallelDataError, match=r"small: .* 16 in each of 2 .*\(batches.size.* at most 3"
    ):
        sampler.check_training()


def test_rows_with_no_common_language_are_refused_where_none_is_left():
    import pyarrow as pa
    from datasets.table import InMemoryTable

    from mteb_hybrid.training.corpus import Corpus

    table = pa.table(
        {
            "group": list(range(40)),
            "query_en": [f"q{row}" for row in range(40)],
            "passage_de": [f"p{row}" for row in range(40)],
        }
    )
    data = ParallelDataset([Corpus("c", InMemoryTable(table))])
    assert not any(map(is_monolingual, batches(sampler_of(data, 8, alpha=0.5))))
    with pytest.raises(ParallelDataError, match="a question and a passage in one language"):
        sampler_of(data, 8, alpha=1.0)


def test_other_data_and_unknown_languages_are_refused(whole):
    with pytest.raises(ParallelDataError, match="need a ParallelDataset, found list"):
        HybridBatchSampler([1, 2], 2)
    with pytest.raises(ParallelDataError, match=r"\['xx'\] are not in the data, which has en, de"):
        sampler_of(whole, languages=("en", "xx"))


def test_the_class_itself_can_stand_in_the_training_arguments(whole):
    sampler = HybridBatchSampler(whole, batch_size=8, drop_last=False, seed=3)
    assert sampler.plan == BatchPlan() and len(list(sampler)) == 800
