"""Groups of passages: those that are linked by the questions they answer share one."""

from collections.abc import Mapping, Sequence


def passage_groups(relevant: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Group of every passage that answers a question.

    Args:
        relevant: Passages of each question, in all languages.

    Returns:
        The id of one of the passages that it is linked with, the same for all of them.
    """
    parent: dict[str, str] = {}

    def root(passage: str) -> str:
        while parent.setdefault(passage, passage) != passage:
            parent[passage] = parent[parent[passage]]
            passage = parent[passage]
        return passage

    for passages in relevant.values():
        first = root(passages[0])
        for passage in passages[1:]:
            parent[root(passage)] = first
    return {passage: root(passage) for passage in parent}
