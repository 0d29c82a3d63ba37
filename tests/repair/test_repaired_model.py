"""The folder of a repaired model, stored vectors, and both commands."""

import gzip
import json
import shlex
import shutil
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from typer.testing import CliRunner

from mteb_hybrid.commands.app import app
from mteb_hybrid.models.contents import ModelError
from mteb_hybrid.models.load import load_model
from mteb_hybrid.models.registry import find_model, read_entry
from mteb_hybrid.repair import VECTOR_REPAIRS
from mteb_hybrid.repair.apply import Said, repair_folder, repair_vectors
from mteb_hybrid.repair.encode import encode_texts
from mteb_hybrid.repair.model import repaired, sentence_transformer, stored_map
from mteb_hybrid.repair.record import read_record
from mteb_hybrid.repair.sample import RepairError
from mteb_hybrid.repair.texts import read_corpus
from repair.conftest import WORDS


@pytest.fixture(scope="module")
def repaired_folder(tiny_model, texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "repaired"
    repair_folder(str(tiny_model), folder, str(texts), directions=2)
    return folder


def test_the_folder_loads_without_this_package(tiny_model, texts, repaired_folder, tmp_path):
    some = read_corpus(str(texts)).fit
    plain = SentenceTransformer(str(tiny_model), device="cpu")
    means = np.stack([plain.encode_document(list(x)).mean(0) for x in some.values()])
    directions = np.linalg.svd(means - means.mean(0), full_matrices=False)[2][:2]
    queries = ["ein haus", "water and fire", "a"]
    x = plain.encode_query(queries).astype(np.float64)
    x -= x @ directions.T @ directions
    expected = x / np.linalg.norm(x, axis=1, keepdims=True)
    code = (
        "import sys; sys.modules['mteb_hybrid'] = None\n"
        "import numpy as np; from sentence_transformers import SentenceTransformer\n"
        f"model = SentenceTransformer({str(repaired_folder)!r}, device='cpu')\n"
        f"np.save('vectors.npy', model.encode_query({queries!r}))\n"
        "ours = {m for m in sys.modules if m.startswith(('mteb.', 'mteb_hybrid.'))}\n"
        "assert ours <= {'mteb_hybrid._hook'}, ours"
    )
    environment = {"MTEB_HYBRID_DISABLE": "1", "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), expected, atol=1e-6)


def test_prompts_and_similarity_stay(tiny_model, texts, tmp_path):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    model.prompts = {"query": "query: ", "document": "passage: "}
    model.similarity_fn_name = "dot"
    model.save_pretrained(str(tmp_path / "prompted"))
    repair_folder(str(tmp_path / "prompted"), tmp_path / "new", str(texts), directions=1)
    new = SentenceTransformer(str(tmp_path / "new"), device="cpu")
    assert new.prompts["query"] == "query: "
    assert new.prompts["document"] == "passage: "
    assert new.similarity_fn_name == "dot"
    assert type(new[-1]).__name__ == "Dense"  # no norm: lengths count
    assert new[-1].linear.bias is None
    described = json.loads((tmp_path / "new" / "model_meta.json").read_text("utf-8"))
    assert described["loader_kwargs"]["model_prompts"] == model.prompts


def test_card_and_record_say_what_was_done(repaired_folder, tiny_model):
    record = json.loads((repaired_folder / "model_card" / "repair.json").read_text("utf-8"))
    assert record["repair"] == "projection"
    assert record["directions"] == 2
    assert record["languages"] == {"de": 30, "en": 30, "fi": 30}
    assert [row["repair"] for row in record["curve"]] == ["none", "projection 1", "projection 2"]
    found = read_record(repaired_folder)
    assert [row.directions for row in found.curve] == [0, 1, 2]
    assert (found.label, found.where.texts) == ("projection 2", record["languages"])
    assert found.where.after.between < found.where.before.between
    assert len(found.where.after.spectrum) == 2
    card = (repaired_folder / "README.md").read_text("utf-8")
    before, after = found.where.before, found.where.after
    assert (
        f"{before.between:.1%} of the variance lies between languages, {after.between:.1%}" in card
    )
    assert f"of {before.probe:.1%} of the texts, {after.probe:.1%} after the repair (33.3%" in card
    for part in ("projection, 2 directions", r"| projection 2\* | none |", "| none | best-10 |"):
        assert part in card
    assert str(repaired_folder.parent) not in card + json.dumps(record)
    assert str(tiny_model.parent) not in card + json.dumps(record)


def test_where_the_bias_sits_is_known_of_texts_that_are_not_parallel(tiny_model, texts, tmp_path):
    rows = [
        (line, x) for x in WORDS for line in (texts / f"{x}.txt").read_text("utf-8").split("\n")
    ]
    pl.DataFrame(rows, ["text", "language"], orient="row").write_csv(tmp_path / "corpus.csv")
    said = repair_folder(str(tiny_model), tmp_path / "new", str(tmp_path / "corpus.csv"))
    found = read_record(tmp_path / "new")
    assert [(row.pool, row.rank_distance) for row in found.curve] == [(None, None)] * 3
    assert sum(found.where.texts.values()) > 60
    assert "of the variance lies between languages, " in said.text


def test_no_repair_needed_says_where_the_bias_sits_too(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("mteb_hybrid.repair.strength.GAIN", 2)
    folder = tmp_path / "texts"
    folder.mkdir()
    for language, words in WORDS.items():
        lines = [f"{a} {b}" for a in words for b in words]
        (folder / f"{language}.txt").write_text("\n".join(lines), "utf-8")
    said = repair_folder(str(tiny_model), tmp_path / "new", str(folder)).text
    assert "No repair needed" in said and "projection 2" in said
    assert "a linear probe reads the language of " in said and "after" not in said
    assert not (tmp_path / "new").exists()


def test_it_is_registered_like_any_other(tiny_model, repaired_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MTEB_HYBRID_MODELS", str(tmp_path / "models"))
    command = ["models", "add", str(repaired_folder), "--name", "me/repaired"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    entry = read_entry("me/repaired")
    assert entry.meta.n_parameters == sum(
        p.numel() for p in SentenceTransformer(str(repaired_folder), device="cpu").parameters()
    )
    assert entry.meta.training_datasets is None
    assert find_model(str(repaired_folder))[1].name == "me/repaired"
    vectors = entry.meta.load_model().model.encode_query(["wasser"])
    direct = load_model(str(repaired_folder)).model.encode_query(["wasser"])
    np.testing.assert_array_equal(vectors, direct)
    old, new = tmp_path / "old.npy", tmp_path / "new.npy"
    np.save(old, SentenceTransformer(str(tiny_model), device="cpu").encode_query(["wasser"]))
    repair_vectors("me/repaired", old, new)
    np.testing.assert_allclose(np.load(new), direct, atol=1e-6)


def test_leace_becomes_a_map_with_an_offset(tiny_model, texts, tmp_path):
    """Made from the fit: on so small a model, chance decides whether it is worth its loss."""
    model = SentenceTransformer(str(tiny_model), device="cpu")
    sample = encode_texts(model, read_corpus(str(texts), 20).fit, "document", 32)
    repaired(model, VECTOR_REPAIRS["leace"].fit(sample)).save(str(tmp_path / "new"))
    new = SentenceTransformer(str(tmp_path / "new"), device="cpu")
    assert new[-2].linear.bias is not None


def test_a_method_without_directions_does_not_ask_for_them(
    tiny_model, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr("mteb_hybrid.repair.strength.GAIN", 1.0)
    said = repair_folder(str(tiny_model), tmp_path / "new", str(texts), "leace", per_language=20)
    assert "was not written; --method projection --directions N repairs all the same" in said.text


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_stored_vectors_become_those_of_the_repaired_model(
    kind, tiny_model, repaired_folder, tmp_path
):
    passages = ["ein haus", "water and fire", "talo"]
    old = SentenceTransformer(str(tiny_model), device="cpu").encode_document(passages)
    source, target = tmp_path / f"old.{kind}", tmp_path / f"new.{kind}"
    if kind == "npy":
        np.save(source, old)
    else:
        pl.DataFrame({"id": ["a", "b", "c"], "v": old.tolist()}).cast(
            {"v": pl.List(pl.Float32)}
        ).write_parquet(source)
    command = ["repair", str(repaired_folder), "--vectors", str(source), "-o", str(target)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "3 vectors of 16 numbers" in result.output
    with pytest.raises(RepairError, match="is there already; choose another --output, or --over"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    CliRunner().invoke(app, [*command, "--overwrite"], catch_exceptions=False)
    expected = SentenceTransformer(str(repaired_folder), device="cpu").encode_document(passages)
    if kind == "npy":
        found = np.load(target)
        assert found.dtype == np.float32
    else:
        table = pl.read_parquet(target)
        assert table["id"].to_list() == ["a", "b", "c"]
        found = np.array(table["v"].to_list())
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_stored_vectors_with_their_languages(tiny_model, texts, tmp_path):
    old = SentenceTransformer(str(tiny_model), device="cpu").encode_document(["haus", "cat"])
    np.save(tmp_path / "old.npy", old)
    (tmp_path / "languages.txt").write_text("de\nen\n")
    files = [tmp_path / "old.npy", tmp_path / "new.npy"]
    with pytest.raises(RepairError, match="needs the language of each of the 2 vectors; got none"):
        repair_vectors(str(tiny_model), *files, str(texts), method="centring")
    assert not (tmp_path / "new.npy").exists()
    languages = tmp_path / "languages.txt"
    repair_vectors(str(tiny_model), *files, str(texts), languages, method="centring")
    new = np.load(tmp_path / "new.npy")
    assert not np.allclose(new, old)
    languages.write_text("\ufeffDE\neng_Latn\n", encoding="utf-8")
    repair_vectors(
        str(tiny_model), *files, str(texts), languages, method="centring", overwrite=True
    )
    np.testing.assert_array_equal(np.load(tmp_path / "new.npy"), new)


@pytest.mark.parametrize("method", ["leace", "centring", "projection"])
def test_an_offset_is_of_vectors_as_long_as_those_it_was_fitted_on(
    method, tiny_model, texts, tmp_path
):
    """Of others, such as vectors of unit length, it would be too long or too short."""
    old = SentenceTransformer(str(tiny_model), device="cpu").encode_document(["haus", "cat"])
    files, languages = [tmp_path / "old.npy", tmp_path / "new.npy"], tmp_path / "languages.txt"
    languages.write_text("de\nen\n")
    given = [*files, str(texts), languages if method == "centring" else None, method]
    for factor in (5, 0.2, 0):
        np.save(files[0], old * factor)
        if method == "projection":  # is linear: the same directions go
            repair_vectors(str(tiny_model), *given, overwrite=True)
            assert np.isfinite(np.load(files[1])).all()
            continue
        with pytest.raises(RepairError, match=rf"{method} moves them by an offset.* or choose pro"):
            repair_vectors(str(tiny_model), *given)
        assert not files[1].exists()
    np.save(files[0], old)
    repair_vectors(str(tiny_model), *given, overwrite=True)
    assert not np.allclose(np.load(files[1]), old)


def test_so_is_that_of_a_repaired_folder(tiny_model, texts, tmp_path):
    folder, files = tmp_path / "leace", [tmp_path / "old.npy", tmp_path / "new.npy"]
    repair_folder(str(tiny_model), folder, str(texts), "leace")
    old = SentenceTransformer(str(tiny_model), device="cpu").encode_document(["haus", "cat"])
    np.save(files[0], old * 5)
    with pytest.raises(RepairError, match="leace moves them by an offset that suits these"):
        repair_vectors(str(folder), *files)
    record = folder / "model_card" / "repair.json"
    said = json.loads(record.read_text())
    assert 0.5 < said.pop("length") / np.linalg.norm(old[0]) < 2
    record.write_text(json.dumps(said))  # as earlier versions wrote it
    (warning,) = repair_vectors(str(folder), *files).warnings
    assert "does not tell the length of the vectors that it was fitted on" in warning


def test_a_map_in_few_bits_is_read(repaired_folder, tmp_path):
    """As of a model that was saved in bfloat16, which numpy has not."""
    folder = tmp_path / "half"
    shutil.copytree(repaired_folder, folder)
    (file,) = folder.glob("*_Dense/model.safetensors")
    weights = {key: value.bfloat16() for key, value in load_file(file).items()}
    save_file(weights, file)
    (name, exact, *further), found = stored_map(repaired_folder), stored_map(folder)
    assert (found[0], *found[2:]) == (name, *further)
    np.testing.assert_allclose(found[1].matrix, exact.matrix, atol=1e-2)
    np.testing.assert_array_equal(found[1].matrix, weights["linear.weight"].double().numpy())


def test_options_that_would_change_nothing_are_refused(tiny_model, repaired_folder, tmp_path):
    np.save(tmp_path / "old.npy", np.ones((2, 16), np.float32))
    (tmp_path / "languages.txt").write_text("de\nen\n")
    said = {
        ("--directions", "3"): "is repaired by projection already, which --method",
        ("--method", "centring"): "is repaired by projection already, which --method",
        ("--languages", str(tmp_path / "languages.txt")): "projection needs no language",
        ("--name", "a/b"): "--vectors makes none; leave it out",
    }
    files = ["--vectors", str(tmp_path / "old.npy"), "-o", str(tmp_path / "new.npy")]
    for options, words in said.items():
        done = CliRunner().invoke(app, ["repair", str(repaired_folder), *files, *options])
        assert words in str(done.exception)
    texts = ["--texts", "x", "--languages", str(tmp_path / "languages.txt")]
    done = CliRunner().invoke(app, ["repair", str(tiny_model), "-o", str(tmp_path / "m"), *texts])
    assert "--languages is of stored vectors" in str(done.exception)
    assert not (tmp_path / "new.npy").exists() and not (tmp_path / "m").exists()


def test_more_may_be_held_out_than_is_fitted_on(texts):
    corpus = read_corpus(str(texts), per_language=4)
    assert {len(part) for part in corpus.fit.values()} == {4}
    assert {len(part) for part in corpus.held_out.values()} == {56}


def test_shift_takes_translations_alone(tiny_model, tmp_path):
    np.save(tmp_path / "old.npy", np.ones((2, 16)))
    rows = [(word, language) for language, words in WORDS.items() for word in words]
    pl.DataFrame(rows, ["text", "language"], orient="row").write_csv(tmp_path / "corpus.csv")
    files = [tmp_path / "old.npy", tmp_path / "new.npy"]
    with pytest.raises(RepairError, match=r"shift needs translations.*corpus.csv are not parallel"):
        repair_vectors(str(tiny_model), *files, str(tmp_path / "corpus.csv"), method="shift")


def test_models_that_are_compared_or_encoded_otherwise_are_refused(tiny_model):
    def wrapped(kind=SentenceTransformerEncoderWrapper, similarity="cosine", **prompts):
        model = SentenceTransformer(str(tiny_model), device="cpu")
        model.similarity_fn_name = similarity
        return kind(model, model_prompts=prompts or None)

    class Other(SentenceTransformerEncoderWrapper):
        pass

    for similarity in ("euclidean", "manhattan"):
        with pytest.raises(RepairError, match=f"compares its vectors by {similarity} distance"):
            sentence_transformer(wrapped(similarity=similarity))
    with pytest.raises(RepairError, match="MTEB encodes with it through Other"):
        sentence_transformer(wrapped(Other))
    for key, role in (("Retrieval", "query"), ("Retrieval-document", "document")):
        with pytest.raises(RepairError, match=f"for a {role}, MTEB uses the prompt '{key}' "):
            sentence_transformer(wrapped(**{key: "find: ", "query": "q: "}))
    for prompts in ({"query": "q: ", "STS": "like: "}, {"Retrieval-query": "q: ", "query": "q: "}):
        assert sentence_transformer(wrapped(**prompts)).prompts["query"] == "q: "


def test_modules_keep_their_names_and_what_they_are_told(tiny_model):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    names = ("first", "second", "4")
    named = OrderedDict(zip(names, model.children(), strict=False))
    model = SentenceTransformer(modules=named, device="cpu")
    model.module_kwargs = {"first": ["task"]}
    vectors = {x: model.encode(words) for x, words in WORDS.items()}
    new = repaired(model, VECTOR_REPAIRS["projection"].fit(vectors))
    assert list(dict(new.named_children()))[: len(named)] == list(named)
    assert len(new) == len(named) + 2
    assert new.module_kwargs == {"first": ["task"]}


def _npy(path, array):
    np.save(path, array)


def _parquet(path, rows):
    pl.DataFrame({"v": rows}).write_parquet(path)


@pytest.mark.parametrize(
    ("name", "write", "content", "message"),
    [
        ("v.npy", _npy, np.ones((2, 5)), r"shape \(2, 5\); expected \(N, 16\)"),
        ("v.npy", _npy, np.ones(16), r"float64 of shape \(16,\)"),
        ("v.npy", _npy, np.full((1, 16), np.nan), "1 vectors have NaN"),
        ("v.npy", lambda path, text: path.write_text(text), "no", "no array of numbers"),
        ("v.parquet", _parquet, [[1.0] * 16, [1.0] * 15], r"changing width, or none: \[15, 16\]"),
        ("v.parquet", _parquet, ["a"], "columns of lists of numbers: none"),
        ("v.csv", lambda path, text: path.write_text(text), "1,2", "expected .npy or .parquet"),
    ],
)
def test_vectors_that_cannot_be_repaired(name, write, content, message, repaired_folder, tmp_path):
    write(tmp_path / name, content)
    target = tmp_path / f"new{(tmp_path / name).suffix}"
    with pytest.raises(RepairError, match=message):
        repair_vectors(str(repaired_folder), tmp_path / name, target)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_model_that_is_not_repaired_has_no_map(tiny_model, tmp_path):
    np.save(tmp_path / "v.npy", np.ones((1, 16)))
    with pytest.raises(RepairError, match="not a repaired model; name the folder"):
        repair_vectors(str(tiny_model), tmp_path / "v.npy", tmp_path / "new.npy")


def test_texts_that_nothing_can_be_fitted_on(tiny_model, texts, tmp_path):
    one, same = tmp_path / "one", tmp_path / "same"
    for folder in (one, same):
        folder.mkdir()
        (folder / "de.txt").write_text((texts / "de.txt").read_text("utf-8"), "utf-8")
    (same / "en.txt").write_text((texts / "de.txt").read_text("utf-8"), "utf-8")
    for other in ("fr", "it", "nl"):
        lines = [f"{other[0] * 9} {'abcdef'[: i % 5]} {'ghijkl'[i % 6]}" for i in range(60)]
        (same / f"{other}.txt").write_text("\n".join(lines), "utf-8")
    target = tmp_path / "new"
    with pytest.raises(RepairError, match=r"texts in 1 language\(s\) \(de\)"):
        repair_folder(str(tiny_model), target, str(one))
    with pytest.raises(RepairError, match=r"the means of .*de and en.* no more than chance"):
        repair_folder(str(tiny_model), target, str(same), per_language=30)
    with pytest.raises(RepairError, match="neither a folder, nor a file, nor a collection"):
        repair_folder(str(tiny_model), target, str(tmp_path / "nowhere"))
    with pytest.raises(RepairError, match="centring needs the language"):
        repair_folder(str(tiny_model), target, str(texts), "centring")
    with pytest.raises(RepairError, match="tiny: no name as org/name"):
        repair_folder(str(tiny_model), target, str(texts), name="tiny")
    with pytest.raises(RepairError, match="no repair 'magic'"):
        repair_folder(str(tiny_model), target, str(texts), "magic")
    assert not target.exists()


def test_a_folder_that_is_there_is_not_replaced_unasked(tiny_model, texts, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(RepairError, match="is there already"):
        repair_folder(str(tiny_model), tmp_path, str(texts))
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


def test_a_table_with_a_language_column(tmp_path):
    rows = pl.DataFrame({"text": ["a", "b", "c", "a", " ", "d"], "language": [*"xxx", *"yyy"]})
    for suffix, write in (
        ("jsonl", rows.write_ndjson),
        ("parquet", rows.write_parquet),
        ("csv", rows.write_csv),
        ("tsv", lambda file: rows.write_csv(file, separator="\t")),
    ):
        file = tmp_path / f"corpus.{suffix}"
        write(file)
        corpus = read_corpus(str(file))
        assert {x: len(texts) for x, texts in corpus.fit.items()} == {"x": 1, "y": 1}
        assert not corpus.parallel
        assert not set(corpus.fit["x"]) & set(corpus.held_out["x"])
    rows.rename({"language": "lang"}).write_csv(tmp_path / "bad.csv")
    with pytest.raises(RepairError, match=r"no column language; found text, lang"):
        read_corpus(str(tmp_path / "bad.csv"))
    rows.with_columns(language=pl.Series([*"xx", None, *"yyy"])).write_csv(tmp_path / "bad.csv")
    with pytest.raises(RepairError, match="1 of 6 rows have no language, the first is row 3"):
        read_corpus(str(tmp_path / "bad.csv"))


def test_texts_are_read_as_all_text_is(tmp_path):
    rows = [{"text": f"0{i}\u2028x", "language": x} for x in ("EN", "en", "de") for i in range(4)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(("\ufeff" + lines).encode()))
    corpus = read_corpus(str(tmp_path / "c.jsonl.gz"))
    assert {x: len(texts) for x, texts in corpus.fit.items()} == {"de": 2, "en": 2}
    assert not set(corpus.fit["en"]) & set(corpus.held_out["en"])
    table = "text,language\n007,de\n1.50,de\n008,en\n9,en\n"
    (tmp_path / "c.csv").write_text(table, "utf-8-sig")
    corpus = read_corpus(str(tmp_path / "c.csv"))
    assert {*corpus.fit["de"], *corpus.held_out["de"]} == {"007", "1.50"}
    for name in ("c.csv", "c.tsv", "c.jsonl"):
        (tmp_path / name).write_text(lines, "utf-16")
        with pytest.raises(ValueError, match=rf"{name}:1: not UTF-8.*UTF-16"):
            read_corpus(str(tmp_path / name))
    (tmp_path / "c.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(RepairError, match=r"c.jsonl:1: no language; found text"):
        read_corpus(str(tmp_path / "c.jsonl"))


def test_a_folder_holds_languages_alone(tmp_path):
    (tmp_path / "de.txt").write_text("a\nb\n", "utf-8-sig")
    (tmp_path / "eng_Latn.txt").write_text("c\r\nd\r\n")
    corpus = read_corpus(str(tmp_path))
    assert list(corpus.fit) == ["de", "en"]
    assert corpus.parallel
    assert {*corpus.fit["de"], *corpus.held_out["de"]} == {"a", "b"}
    for name, message in (("LICENSE.txt", "no language code"), ("EN.txt", "a second file of en")):
        (tmp_path / name).write_text("x\ny\n")
        with pytest.raises(RepairError, match=message):
            read_corpus(str(tmp_path))
        (tmp_path / name).unlink()
    (tmp_path / "fr.txt").write_text("e\nf\n", "utf-16")
    with pytest.raises(ValueError, match=r"fr.txt:1: not UTF-8.*UTF-16"):
        read_corpus(str(tmp_path))


def test_translations_that_repeat_are_not_fitted_on_and_held_out(tmp_path):
    (tmp_path / "de.txt").write_text("\n".join(["a", "b", "a", "c", "d", "e"] * 4))
    (tmp_path / "en.txt").write_text("\n".join(["A", "B", "A", "B", "D", "E"] * 4))
    corpus = read_corpus(str(tmp_path))
    assert corpus.parallel
    for language in ("de", "en"):
        assert not set(corpus.fit[language]) & set(corpus.held_out[language])
    (tmp_path / "en.txt").write_text("\n".join(["A"] * 23 + ["B"]))
    with pytest.raises(RepairError, match=r"2 different text\(s\) in en, of 24; expected four"):
        read_corpus(str(tmp_path))


def test_parallel_texts_are_drawn_alike_and_the_same_each_time(texts):
    corpus = read_corpus(str(texts), per_language=10)
    assert corpus.parallel
    assert corpus == read_corpus(str(texts), per_language=10)
    assert corpus != read_corpus(str(texts), per_language=10, seed=1)
    for part in (corpus.fit, corpus.held_out):
        numbers = [[[WORDS[x].index(w) for w in t.split()] for t in part[x]] for x in WORDS]
        assert numbers[0] == numbers[1] == numbers[2]
    assert not set(corpus.fit["en"]) & set(corpus.held_out["en"])


def test_collections_are_texts_too():
    corpus = read_corpus("sample", per_language=5)
    assert len(corpus.fit) == 11
    assert "HybridSampleMultilingualRetrieval" in corpus.tasks


def test_merge_reads_what_bias_reads(tmp_path):
    (tmp_path / "de.trec").write_text("q Q0 de1 1 0.9 x\nq Q0 de2 2 0.8 x\n")
    (tmp_path / "en.json").write_text(json.dumps({"q": {"en1": 0.5, "en2": 0.3}}))
    runs = ["--run", f"de={tmp_path / 'de.trec'}", "--run", f"en={tmp_path / 'en.json'}"]
    command = ["merge", *runs, "--how", "best-1", "-o", str(tmp_path / "merged.trec")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "1 queries, 4 documents" in result.output
    lines = [line.split() for line in (tmp_path / "merged.trec").read_text().splitlines()]
    assert [(line[2], line[3]) for line in lines] == [
        ("en1", "1"), ("de1", "2"), ("de2", "3"), ("en2", "4"),
    ]  # fmt: skip
    assert float(lines[2][4]) == pytest.approx(-0.1)
    mixed = {"q": {"de1": 0.9, "de2": 0.8, "en1": 0.5, "en2": 0.3}}
    (tmp_path / "mixed.json").write_text(json.dumps(mixed))
    (tmp_path / "languages.tsv").write_text("de1\tde\nde2\tde\nen1\ten\nen2\ten\n")
    command = ["merge", "--run", str(tmp_path / "mixed.json"), "--how", "best-1"]
    command += ["--languages", str(tmp_path / "languages.tsv"), "-o", str(tmp_path / "out.json")]
    assert CliRunner().invoke(app, command).exit_code == 0
    merged = json.loads((tmp_path / "out.json").read_text())["q"]
    assert merged == {line[2]: float(line[4]) for line in lines}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "a.json"], "which language are its documents in"),
        (["--run", "de=a.json"], r"one run \(de\)"),
        (["--run", "de=a.json", "--run", "de=a.json"], "two runs in de"),
        (["--run", "de=a.json", "--run", "en=a.json"], "'d 1' is in the runs of de and of en"),
        (["--run", "eng=a.json", "--run", "EN=a.json"], "two runs in en"),
        (["--run", "a.json", "--languages", "l.tsv", "--how", "none"], "has a space"),
        (["--run", "a.json", "-o", "a.json"], "a.json: one of the files to merge"),
        (["--run", "de=a.json", "--run", "en=b", "-o", "./a.json"], "one of the files to merge"),
        (["--run", "a.json", "--languages", "l.tsv", "-o", "l.tsv"], "one of the files to merge"),
        (["--run", "a.json", "-o", "out.trec.gz"], "written without compression"),
        (["--run", "a.json", "--languages", "l.tsv"], "1 of 1 documents have no language"),
        (["--run", "a.json", "--languages", "l.tsv", "--how", "best"], "no merging 'best'"),
    ],
)
def test_runs_that_cannot_be_merged(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps({"q": {"d 1": 0.5}}))
    (tmp_path / "l.tsv").write_text("other\tde\n")
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(app, ["merge", "-o", "out.trec", *arguments], catch_exceptions=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "l.tsv"]


@pytest.mark.parametrize("how", ["best-1", "none"])
def test_merge_leaves_out_a_querys_own_document(how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "de.json").write_text(json.dumps({"d1": {"d1": 0.9, "d2": 0.8}}))
    (tmp_path / "en.json").write_text(json.dumps({"d1": {"e1": 0.5}}))
    command = ["merge", "--run", "de=de.json", "--run", "en=en.json", "--how", how, "-o"]
    CliRunner().invoke(app, [*command, "o.json", "--ignore-identical-ids"], catch_exceptions=False)
    level = {"d2": 0.8, "e1": 0.5} if how == "none" else {"d2": 0, "e1": 0}
    assert json.loads((tmp_path / "o.json").read_text()) == {"d1": level}


def test_the_command_tells_what_to_run_next(tiny_model, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["repair", str(tiny_model), "--texts", str(texts), "-o", "re paired"]
    said = CliRunner().invoke(app, [*command, "--directions", "1"], catch_exceptions=False).output
    Path("results").mkdir()
    steps = [
        shlex.split(step.partition("mteb-hybrid ")[2])
        for step in said.splitlines()
        if "mteb-hybrid " in step
    ]
    for name, *words in steps:
        typer.main.get_command(app).commands[name].make_context(name, words)
    assert [(name, words[1]) for name, *words in steps[:2]] == [
        ("run", str(tiny_model)),
        ("run", "re paired"),
    ]
    assert steps[2][-2:] == ["--repair", "re paired"]
    monkeypatch.setattr("mteb_hybrid.repair.strength.GAIN", 2)
    none = CliRunner().invoke(app, [*command, "--overwrite"], catch_exceptions=False).output
    assert "No repair needed" in none and "Evaluate both" not in none


@pytest.mark.parametrize(
    ("texts", "other"),
    [("xquad-r", "mlqa-r"), ("xquad-r-context", "mlqa-r"), ("mlqa-r", "xquad-r"), (".", "xquad-r")],
)
def test_nothing_is_evaluated_on_what_it_was_fitted_on(texts, other, monkeypatch):
    said = Said("done", (), Path("repaired"))
    monkeypatch.setattr("mteb_hybrid.repair.apply.repair_folder", lambda *_: said)
    command = ["repair", "a/b", "--texts", texts, "-o", "repaired"]
    lines = CliRunner().invoke(app, command, catch_exceptions=False).output.splitlines()
    assert [line.split()[-1] for line in lines if " run -m " in line] == [other, other]


@pytest.mark.parametrize("vectors", [False, True])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_loaded(
    vectors, tiny_model, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr("mteb_hybrid.repair.apply.load_model", None)
    (tmp_path / "file").touch()
    np.save(tmp_path / "old.npy", np.ones((1, 16)))
    command = ["repair", str(tiny_model), "--texts", str(texts)]
    command += ["--vectors", str(tmp_path / "old.npy")] if vectors else []
    error = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "file" / "x.npy")]).exception
    assert (type(error), error.filename) == (NotADirectoryError, str(tmp_path / "file"))
    if vectors:
        said = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "old.npy")]).exception
        assert "the vectors to repair; choose another" in str(said)


def test_what_is_no_model_is_told_before_the_texts_are_read(tmp_path):
    (tmp_path / "empty").mkdir()
    command = ["repair", str(tmp_path / "empty"), "--texts", str(tmp_path), "-o", "x"]
    with pytest.raises(ModelError, match=r"neither modules\.json"):
        CliRunner().invoke(app, command, catch_exceptions=False)
