"""The same by hand: which texts belong together, and the nearest that do not."""


class _Union(dict):
    def find(self, node):
        while self.setdefault(node, node) != node:
            node = self[node]
        return node


def linked(rows):
    """Tells the component of a text in rows that share groups or texts, in any language."""
    union = _Union()
    for number, row in enumerate(rows):
        group = row.get("group", row.get("id"))
        node = ("row", number) if group is None else ("group", group)
        for role in ("query", "passage"):
            for text in row[role].values():
                union[union.find(("text", text))] = union.find(node)
    return lambda text: union.find(("text", text))


def chosen_languages(chosen, code, languages):
    allowed = {"same": {code}, "other": set(languages) - {code}, "all": set(languages)}
    return allowed[chosen] if chosen in allowed else set(chosen)


def nearest(rows, code, allowed, languages, model, number):
    """For each row with a passage in a language, its question and the nearest wrong passages."""
    component = linked(rows)
    pool = {text for row in rows for x, text in row["passage"].items() if x in allowed}
    for row in rows:
        if code in row["passage"]:
            query = row["query"].get(code) or next(
                row["query"][x] for x in languages if x in row["query"]
            )
            wrong = [text for text in pool if component(text) != component(query)]
            yield row, query, sorted(wrong, key=lambda t: -model.cosine(query, t))[:number]
