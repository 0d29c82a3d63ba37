"""Where files lie: the environment variables that name folders, and the user's cache."""

from pathlib import Path

import platformdirs

TASKS_VARIABLE = "MTEB_HYBRID_TASKS"


DATA_VARIABLE = "MTEB_HYBRID_DATA"


def cache_folder() -> Path:
    """Folder for downloaded files, in the user's cache."""
    return platformdirs.user_cache_path("mteb-hybrid")


FOLDER_VARIABLE = "MTEB_HYBRID_PER_QUERY"


MODELS_VARIABLE = "MTEB_HYBRID_MODELS"


HTTP_VARIABLE = "MTEB_HYBRID_ALLOW_HTTP"
