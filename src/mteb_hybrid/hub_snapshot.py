"""Files of dataset repositories on the Hugging Face hub, as they lie there."""

from collections.abc import Sequence
from pathlib import Path

from mteb_hybrid.files import DATA_VARIABLE, DataError


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
