"""Files of the cache that two processes make at the same time."""

import pyarrow as pa

from mteb_hybrid.training.readers.cache import cached_file, cached_table

SCHEMA = pa.schema([("text", pa.string())])


def batches():
    return SCHEMA, [pa.record_batch([["a", "b"]], SCHEMA)]


def test_the_later_one_wins_and_the_earlier_one_keeps_what_it_reads(tmp_path):
    """Both have the same content, so neither waits: a lock would outlive a kill for ever."""
    mapped = []

    def slower():
        mapped.append(cached_table(tmp_path, "pairs", "key", batches))
        return batches()

    file = cached_file(tmp_path, "pairs", "key", slower)
    assert list(tmp_path.iterdir()) == [file]
    again = cached_table(tmp_path, "pairs", "key", lambda: 1 / 0)
    assert mapped[0].to_pydict() == again.to_pydict() == {"text": ["a", "b"]}
