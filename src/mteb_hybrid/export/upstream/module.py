"""Tasks as the Python module that MTEB's own repository keeps them in.

The source is written as MTEB's formatter (ruff, 88 columns) leaves it, and holds the idioms of its
neighbours in ``mteb/tasks/retrieval/multilingual``. The data set of each class is spelled out,
because MTEB's ``scripts/tools/extract_datasets.py`` looks for it there.
"""

import unicodedata
from collections.abc import Sequence
from string import Template
from typing import Any

from mteb.abstasks.task_metadata import TaskMetadata

from mteb_hybrid.cards.card import TaskCard
from mteb_hybrid.retrieval.views import Setting, views

WIDTH = 88
MAIN_SCORE = "map_at_1000"

EVAL_LANGS = {
    Setting.MONOLINGUAL: """\
_MONOLINGUAL = {f"{x}-{x}": [code] for x, code in _LANGS.items()}
""",
    Setting.CROSSLINGUAL: """\
_CROSSLINGUAL = {
    f"{x}-{y}": [_LANGS[x], _LANGS[y]] for x in _LANGS for y in _LANGS if x != y
}
""",
    Setting.MULTILINGUAL: """\
_MULTILINGUAL = {
    f"{x}-multi": [code, *(other for other in _LANGS.values() if other != code)]
    for x, code in _LANGS.items()
}
""",
}

# What the settings of a collection share; name, data set, description and languages differ.
COMMON = (
    "reference",
    "type",
    "category",
    "modalities",
    "eval_splits",
    "date",
    "domains",
    "task_subtypes",
    "license",
    "annotations_creators",
    "dialect",
    "sample_creation",
    "prompt",
    "adapted_from",
)

MODULE = Template("""\
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

$languages
_BIBTEX_CITATION = $citation

_COMMON_METADATA = dict(
$common
    # MTEB ranks no deeper; below rank 1,000 little is left of average precision
    main_score="$main_score",
    bibtex_citation=_BIBTEX_CITATION,
)
$classes""")

CLASS = Template("""

class $name(AbsTaskRetrieval):
$identical_ids    metadata = TaskMetadata(
        name="$name",
        description=$description,
        dataset={
            "path": $path,
            "revision": "$revision",
        },
        eval_langs=_$setting,
        **_COMMON_METADATA,
    )
""")


def module_source(
    card: TaskCard, tasks: dict[Setting, TaskMetadata], dataset: str, revision: str
) -> str:
    """The module that holds the tasks of a collection.

    Args:
        card: The collection's card.
        tasks: What MTEB wants to know of the task in each setting.
        dataset: ``ORG/NAME`` of the data set that ``mteb-hybrid export --format hub`` wrote.
        revision: Its commit.

    Returns:
        Python source that imports nothing but mteb.
    """
    ignored = "    ignore_identical_ids = True\n\n" if card.source.queries_are_passages else ""
    known = next(iter(tasks.values())).model_dump(include=set(COMMON), exclude_none=True)
    return MODULE.substitute(
        languages=_languages(card, tasks),
        citation=_citation(card.metadata.bibtex_citation.strip()),
        common="\n".join(
            f"    {key}={_literal(known[key], '    ', len(f'    {key}=,'))},"
            for key in COMMON
            if key in known
        ),
        main_score=MAIN_SCORE,
        classes="".join(
            CLASS.substitute(
                name=task.name,
                identical_ids=ignored,
                description=_string(task.description),
                path=_string(dataset),
                revision=revision,
                setting=setting.upper(),
            )
            for setting, task in tasks.items()
        ),
    )


def import_source(module: str, names: Sequence[str]) -> str:
    """The import that makes MTEB find the tasks, for the ``__init__.py`` beside the module."""
    lines = "".join(f"    {name},\n" for name in sorted(names))
    return f"from .{module} import (\n{lines})"


def _languages(card: TaskCard, tasks: dict[Setting, TaskMetadata]) -> str:
    """The languages of subsets: derived from those of the collection if it has all subsets."""
    codes = {short: language.code for short, language in card.languages.items()}
    found = {
        setting: EVAL_LANGS[setting]
        if set(task.hf_subsets) == set(views(setting, tuple(codes)))
        else _assignment(f"_{setting.upper()}", task.eval_langs)
        for setting, task in tasks.items()
    }
    derived = any(text == EVAL_LANGS[setting] for setting, text in found.items())
    return "\n".join([*([_assignment("_LANGS", codes)] if derived else []), *found.values()])


def _assignment(name: str, value: Any) -> str:
    return f"{name} = {_literal(value, taken=len(f'{name} = '))}\n"


def _citation(bibtex: str) -> str:
    plain = '"""' not in bibtex and bibtex.replace("\n", "").isprintable()
    if bibtex and plain:
        return f'r"""\n{bibtex}\n"""'
    return _string(bibtex)


def _literal(value: Any, indent: str = "", taken: int = 0) -> str:
    """Source of a string, list, tuple or dict: on one line if it fits, else an item a line.

    Args:
        value: The value.
        indent: Of the line that it starts on.
        taken: Columns of that line that hold something else.
    """
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict):
        opening, closing = "{}"
        items = [(f"{_string(key)}: ", item) for key, item in value.items()]
    else:
        opening, closing = "()" if isinstance(value, tuple) else "[]"
        items = [("", item) for item in value]
    flat = f"{opening}{', '.join(key + _literal(item) for key, item in items)}{closing}"
    # ruff keeps what ends in a comma an item a line, so only what stays on one line must fit.
    if taken + _columns(flat) <= WIDTH and "\n" not in flat:
        return flat
    inner = f"{indent}    "
    lines = [
        f"{inner}{key}{_literal(item, inner, _columns(f'{inner}{key},'))},\n" for key, item in items
    ]
    return f"{opening}\n{''.join(lines)}{indent}{closing}"


def _string(text: str) -> str:
    """Source of a string, with the quotes that need fewer escapes, as ruff has them."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(
        f"\\{char}" if char == quote else char if char in "\"'" else repr(char)[1:-1]
        for char in text
    )
    return f"{quote}{body}{quote}"


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
