"""Files of dataset repositories on the Hugging Face hub, as they lie there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mteb_hybrid.files.errors import DataError
from mteb_hybrid.files.places import DATA_VARIABLE


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


def snapshot(repository: str, revision: str, patterns: Sequence[str]) -> Path:
    """Some files of a dataset repository, downloaded to huggingface_hub's cache if need be.

    Unlike ``datasets.load_dataset`` this also serves repositories with a loading script, which is
    not run.

    Args:
        repository: Such as ``miracl/miracl``.
        revision: A commit.
        patterns: Which files, as in ``snapshot_download``'s ``allow_patterns``.

    Returns:
        Folder of the files. Offline (``HF_HUB_OFFLINE``) it may lack some.

    Raises:
        DataError: If they cannot be downloaded, and the cache has none of that commit.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    page = f"https://huggingface.co/datasets/{repository}"
    try:
        folder = snapshot_download(
            repository, repo_type="dataset", revision=revision, allow_patterns=list(patterns)
        )
    except GatedRepoError:
        raise DataError(
            f"{page}: its owners ask for consent. Log in on that page, agree, and run "
            "`hf auth login` here."
        ) from None
    except OSError as error:  # all of huggingface_hub's, and a full disk
        raise DataError(
            f"{page}: commit {revision} could not be downloaded ({error}). Check the connection, "
            f"unset HF_HUB_OFFLINE, or set {DATA_VARIABLE} to a folder that holds the files."
        ) from None
    return Path(folder)
