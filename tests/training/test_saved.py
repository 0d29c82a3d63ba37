import datasets
import numpy as np
import pytest

from files.dead import of_the_dead
from mteb_hybrid import ParallelDataset
from mteb_hybrid.files.lines import ParallelDataError
from training.conftest import make_corpus


@pytest.fixture
def data():
    return ParallelDataset([make_corpus(20, ["en", "de"], missing=0.3, negatives=1)])


@pytest.fixture
def mix():
    corpora = [make_corpus(9, ["en", "de"], name="a"), make_corpus(5, ["th"], name="b")]
    return ParallelDataset(corpora, {"a": 0.8, "b": 0.2}).shuffle(seed=2).take(9)


def test_what_was_saved_is_loaded(data, mix, tmp_path):
    for number, dataset in enumerate([data, data.shuffle(seed=1).take(7), mix]):
        dataset.save_to_disk(tmp_path / str(number), num_shards=2)
        loaded = ParallelDataset.load_from_disk(tmp_path / str(number))
        assert loaded.to_list() == dataset.to_list()
        assert loaded.wide().to_list() == dataset.wide().to_list()
        assert loaded.weights == dataset.weights and loaded.languages == dataset.languages
        assert [c.negatives for c in loaded.corpora] == [c.negatives for c in dataset.corpora]
        assert loaded.cache_files, "it is memory-mapped"


def test_a_function_that_would_be_lost_is_not_saved_without(data, tmp_path):
    with pytest.raises(ParallelDataError, match=r"set_transform would be lost; .*with_format"):
        data.with_transform(dict).save_to_disk(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_datasets_reads_it_as_a_plain_dataset_with_all_texts(data, tmp_path):
    data.select([3, 1]).save_to_disk(str(tmp_path / "saved"))
    plain = datasets.load_from_disk(str(tmp_path / "saved"))
    assert not isinstance(plain, ParallelDataset)
    assert plain.to_list() == data.select([3, 1]).wide().to_list()
    again = ParallelDataset.from_dataset(plain, negatives=1)
    assert again.to_list() == data.select([3, 1]).to_list()


def test_only_the_kept_rows_are_written(data, tmp_path):
    secret = data[4]["query"]
    data.filter(lambda row: secret not in row.values()).save_to_disk(tmp_path / "saved")
    files = b"".join(file.read_bytes() for file in (tmp_path / "saved").iterdir())
    assert data[5]["query"].encode() in files and secret.encode() not in files


def test_a_split_is_saved_and_loaded_part_by_part(data, tmp_path):
    data.train_test_split(0.2).save_to_disk(tmp_path / "parts")
    with pytest.raises(ParallelDataError, match=r"splits train, test; .*parts.train"):
        ParallelDataset.load_from_disk(tmp_path / "parts")
    assert len(ParallelDataset.load_from_disk(tmp_path / "parts" / "test")) == 4


def test_it_is_written_whole_or_not_at_all(data, tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    data.take(5).save_to_disk(folder)

    def stop(*arguments, **options):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("mteb_hybrid.training.saved.write_json", stop)
        with pytest.raises(OSError, match="no space"):
            data.save_to_disk(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    assert len(ParallelDataset.load_from_disk(folder)) == 5
    data.save_to_disk(folder)
    assert len(ParallelDataset.load_from_disk(folder)) == 20


def test_nothing_else_is_overwritten(data, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ParallelDataError, match="no folder of parallel data"):
            data.save_to_disk(place)
    data.save_to_disk(tmp_path / "saved")
    with pytest.raises(ParallelDataError, match="that are to be saved"):
        ParallelDataset.load_from_disk(tmp_path / "saved").take(3).save_to_disk(tmp_path / "saved")
    with pytest.raises(ParallelDataError, match="local folder"):
        data.save_to_disk("s3://bucket/data")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_other_folders_are_refused(data, mix, tmp_path):
    with pytest.raises(ParallelDataError, match=r"no parallel\.json; .*load_from_disk"):
        ParallelDataset.load_from_disk(tmp_path)
    mix.save_to_disk(tmp_path / "saved")
    state = tmp_path / "saved" / "parallel.json"
    text = state.read_text()
    for damaged in (text.replace('"rows": ', '"rows": 1'), text[:40], "[]", text + "}"):
        assert damaged != text
        state.write_text(damaged)
        with pytest.raises(ParallelDataError, match="save the data again"):
            ParallelDataset.load_from_disk(tmp_path / "saved")
    state.write_text(text)
    np.save(tmp_path / "saved" / "order.npy", np.zeros(9, dtype=np.int64))
    with pytest.raises(ParallelDataError, match="save the data again"):
        ParallelDataset.load_from_disk(tmp_path / "saved")


def test_what_a_killed_process_took_away_is_put_back(data, tmp_path):
    folder = tmp_path / "saved"
    data.save_to_disk(folder)
    folder.rename(of_the_dead(folder, "old"))
    of_the_dead(folder, "part").mkdir()
    assert ParallelDataset.load_from_disk(folder).to_list() == data.to_list()
    assert list(tmp_path.iterdir()) == [folder]
