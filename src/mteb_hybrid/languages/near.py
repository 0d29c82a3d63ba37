"""Near misses: what may be meant by a name that is none."""

from collections.abc import Iterable, Mapping

from mteb_hybrid.languages.codes import iso_entry, language_name, macrolanguage

AT_MOST = 3
"""Names that are suggested."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What goes on an error: ``; did you mean 'xquad-r'?``, or a full stop.

    Args:
        name: What was given, and is none of them.
        known: The names that there are. Case, hyphens and the like, a missing end and what stands
            before a slash count little.
    """
    return _asked(near(name, known))


def near(name: str, known: Iterable[str]) -> list[str]:
    """The names nearest to one that is none of them, the nearest first; none if all are far."""
    import difflib

    names: dict[str, str] = {}
    for one in known:
        names.setdefault(_bare(one), one)
    bare = _bare(name)
    if not bare:
        return []
    if bare in names:
        return [names[bare]]
    found = [one for key, one in names.items() if key.rpartition("/")[2] == bare]
    found += [names[key] for key in difflib.get_close_matches(bare, names, AT_MOST, 0.7)]
    if len(bare) > 2:
        found += [one for key, one in names.items() if key.startswith(bare)]
    return list(dict.fromkeys(found))[:AT_MOST]


def did_you_mean_language(text: str, known: Mapping[str, str]) -> str:
    """The same for a language: by its other codes, and by its English name.

    Args:
        text: What was given, such as ``english``, ``zh_CN`` or ``ger``.
        known: Full codes by short code; or short codes by themselves.
    """
    return _asked(near_languages(text, known))


def near_languages(text: str, known: Mapping[str, str]) -> list[str]:
    """The short codes of the languages that may be meant; none if nothing is near."""
    same = macrolanguage(text) if iso_entry(text) else None
    found = [short for short in known if same and macrolanguage(known[short]) == same]
    names: dict[str, str] = {}
    for short, code in known.items():
        if entry := iso_entry(code):
            name = language_name(entry.alpha_3)
            names.setdefault(name, short)
            names.setdefault(name.split()[-1], short)  # Modern Greek
    if not found:
        named = [names[name] for name in near(text, names)]
        found = named or (near(text, known) if len(text) > 3 else [])
    return found[:AT_MOST]


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter in "/+")


def _asked(names: list[str]) -> str:
    return f"; did you mean {' or '.join(map(repr, names))}?" if names else "."
