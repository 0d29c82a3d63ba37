"""Evaluate the offline encoder on MTEB's XQuADRetrieval, beside the published scores of its model.

MTEB's task asks every question of XQuAD against the paragraphs of its language. Its data set is
made here from the files of XQuAD-R, which hold the same questions and paragraphs, in the layout
that MTEB's loader reads; the task, its loader and its scores are MTEB's own. MTEB_HYBRID_DATA must
name the folder with lareqa/xquad-r. benchmarks/README.md says what came out.
"""

import argparse
import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

# nDCG@10 of intfloat/multilingual-e5-small, in MTEB's results repository.
PUBLISHED = {
    "en": 0.97469,
    "de": 0.96012,
    "ar": 0.93508,
    "zh": 0.95469,
    "hi": 0.95441,
    "th": 0.94764,
}
SPLIT = "validation"


def tables(file: Path) -> dict[str, pl.DataFrame]:
    """Corpus, queries and qrels of one language, as MTEB made them.

    Texts are stripped, which google/xquad on the hub does. A paragraph has the id of its sha256, a
    question its own; questions whose text repeats are one query, under the last one's id.
    """
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    asked = [
        (question["id"], question["question"].strip(), paragraph["context"].strip())
        for paragraph in paragraphs
        for question in paragraph["qas"]
    ]
    ids = {text: id_ for id_, text, _ in asked}
    passages = {context: sha256(context.encode()).hexdigest() for _, _, context in asked}
    judged = dict.fromkeys((ids[text], passages[context]) for _, text, context in asked)
    return {
        "corpus": pl.DataFrame(
            [(id_, text, "") for text, id_ in passages.items()],
            ["id", "text", "title"],
            orient="row",
        ),
        "queries": pl.DataFrame({"id": ids.values(), "text": ids.keys()}),
        "qrels": pl.DataFrame(
            [(*pair, 1) for pair in judged], ["query-id", "corpus-id", "score"], orient="row"
        ),
    }


def write_hub_layout(folder: Path, languages: list[str]) -> None:
    """Write the data set as MTEB's loader finds it on the hub: Parquet files, named in a card."""
    configs = []
    for language in languages:
        source = Path(os.environ["MTEB_HYBRID_DATA"], "lareqa", "xquad-r", f"{language}.json")
        for part, table in tables(source).items():
            name = f"{language}-{part}"
            (folder / name).mkdir()
            table.write_parquet(folder / name / f"{SPLIT}.parquet")
            files = [{"split": SPLIT, "path": f"{name}/{SPLIT}.parquet"}]
            configs.append({"config_name": name, "data_files": files})
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configs)}\n---\n")


def same_as_mteb(task: Any, subset: str) -> bool:
    """Whether queries and passages are as many, and as long, as MTEB's statistics say."""
    known = task.metadata.descriptive_stats[SPLIT]["hf_subset_descriptive_stats"][subset]
    data = task.dataset[subset][SPLIT]
    return all(
        (len(texts), sum(map(len, texts))) == (stats["unique_texts"], stats["total_text_length"])
        for texts, stats in (
            (data["queries"]["text"][:], known["queries_text_statistics"]),
            (data["corpus"]["text"][:], known["documents_text_statistics"]),
        )
    )


def main() -> None:
    """Evaluate, and print one line per language."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--languages", nargs="+", default=list(PUBLISHED))
    parser.add_argument("--model", default="mteb-hybrid/multilingual-e5-small-q4")
    args = parser.parse_args()
    if "MTEB_HYBRID_DATA" not in os.environ:
        sys.exit("set MTEB_HYBRID_DATA to the folder that holds lareqa/xquad-r")

    with TemporaryDirectory() as folder:
        os.environ["HF_DATASETS_CACHE"] = str(Path(folder, "cache"))
        import datasets
        import mteb

        datasets.disable_progress_bars()
        write_hub_layout(Path(folder), args.languages)
        task = mteb.get_task("XQuADRetrieval", hf_subsets=args.languages)
        here = {"path": folder, "revision": task.metadata.revision}
        task.metadata = task.metadata.model_copy(update={"dataset": here})
        task.load_data()
        model = mteb.get_model(args.model)
        result = mteb.evaluate(
            model, task, cache=None, co2_tracker=False, show_progress_bar=sys.stderr.isatty()
        )
        print("language  nDCG@10  published  difference  queries  passages  data as MTEB's")
        for row in result.task_results[0].scores[SPLIT]:
            language, score = row["hf_subset"], row["ndcg_at_10"]
            published = PUBLISHED.get(language, float("nan"))
            data = task.dataset[language][SPLIT]
            print(
                f"{language:8}  {score:.5f}    {published:.5f}     {score - published:+.5f}  "
                f"{len(data['queries']):7,}  {len(data['corpus']):8,}  "
                f"{'yes' if same_as_mteb(task, language) else 'NO'}"
            )


if __name__ == "__main__":
    main()
