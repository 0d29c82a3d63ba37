"""Languages and licences as the Hugging Face hub writes them in the front matter of cards.

github.com/huggingface/hub-docs, datasetcard.md and modelcard.md.
"""

from typing import Any


def hub_language(code: str) -> str:
    """ISO 639-1 where the language has such a code, else ISO 639-3.

    Args:
        code: ``language-Script`` in ISO 639-3 and ISO 15924, as in ``deu-Latn``.
    """
    import pycountry

    known: Any = pycountry.languages.get(alpha_3=code.partition("-")[0])
    return str(getattr(known, "alpha_2", known.alpha_3))


def hub_license(name: str) -> dict[str, Any]:
    """The hub's fields for a licence in MTEB's vocabulary, which is the hub's but for these."""
    if name.startswith("http"):
        return {"license": "other", "license_link": name}
    if name in ("msr-la-nc", "cc-by-nd-2.1-jp"):
        return {"license": "other", "license_name": name}
    return {"license": {"not specified": "unknown"}.get(name, name)}
