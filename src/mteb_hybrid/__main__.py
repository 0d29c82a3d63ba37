"""``python -m mteb_hybrid``: the command line, also where the startup hook did not run."""

from mteb_hybrid.commands.main import main

if __name__ == "__main__":
    main()
