"""Minute data sets in the layouts that MTEB's tasks have on the hub, and tasks that read them."""

import json

import mteb

from mteb_hybrid.cards.catalogue import task_cards

BELEBELE = {  # in an order of its own per language
    "eng_Latn": [("b", 1), ("a", 1), ("a", 2), ("c", 1), ("d", 1), ("d", 2), ("e", 1)],
    "deu_Latn": [("d", 2), ("c", 1), ("e", 1), ("a", 2), ("a", 1), ("d", 1), ("b", 1)],
    "ibo_Latn": [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1), ("d", 2), ("e", 1)],
}


def write(folder, configs, split):
    """A folder as the hub has it: JSON lines, named by config in the head of README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    head = []
    for name, rows in configs.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        files = [{"split": split, "path": f"{name}.jsonl"}]
        head.append({"config_name": name, "data_files": files})
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(head)}\n---\n")
    return folder


def retrieval(
    folder, languages, split, *, title="", ids="{n}", qrels=None, key="_id", passages=(0, 40)
):
    """What MTEB's retrieval loader reads: corpus, queries and qrels of each language.

    Every third text is the same, so that scores tie. By default query n asks for passage 3n and,
    if it is even, for the next one. Ids of queries count from 100.
    """
    configs = {}
    for language in languages:
        name = {n: ids.format(n=n, language=language) for n in range(112)}
        judged = qrels or [(q, 3 * q + i, 1 + i) for q in range(10) for i in range(2 - q % 2)]
        configs[f"{language}-corpus"] = [
            {key: name[n], "title": title, "text": f"{language} {n if n % 3 else 0} "}
            for n in range(*passages)
        ]
        configs[f"{language}-queries"] = [
            {key: name[100 + n], "text": f"{language} asks {n}"} for n in range(12)
        ]
        configs[f"{language}-qrels"] = [
            {"query-id": name[100 + q], "corpus-id": name[p], "score": score}
            for q, p, score in judged
        ]
    return write(folder, configs, split)


def belebele(folder):
    """Belebele's own rows; the Igbo questions on the passages b and c are the same."""
    return write(
        folder,
        {
            language: [
                {
                    "link": f"https://example.org/{link}",
                    "question_number": number,
                    "flores_passage": f"{language} passage {link}",
                    "question": f"{language} asks "
                    + ("both" if language == "ibo_Latn" and link in "bc" else f"{link}{number}"),
                }
                for link, number in rows
            ]
            for language, rows in BELEBELE.items()
        },
        "test",
    )


def point(monkeypatch, task, folder):
    """Let MTEB load a task from a folder."""
    made = type(mteb.get_task(task))
    data = {**made.metadata.dataset, "path": str(folder)}
    metadata = made.metadata.model_copy(update={"dataset": data})
    monkeypatch.setattr(made, "metadata", metadata)


def card_of(name, folder, languages, **changes):
    """A card that ships, with some of its languages and the data in a folder."""
    card = task_cards()[name]
    source = card.source.model_copy(update={"repository": str(folder), **changes})
    kept = {language: card.languages[language] for language in languages}
    return card.model_copy(update={"source": source, "languages": kept})
