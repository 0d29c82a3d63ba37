"""Startup hook: makes the unmodified ``mteb`` see our tasks and models.

MTEB has no plugin mechanism. ``mteb_hybrid.pth`` (and ``mteb_hybrid.start``, PEP 829, for Python
3.15 and newer) calls `install` when the interpreter starts. It adds a finder that changes nothing
until ``mteb`` is imported, and then registers our tasks once ``mteb/__init__`` has run.

This module runs in every process of the environment, so it imports nothing but ``sys``, and it
must never raise: a broken plugin may not break ``mteb``.
"""

import sys

TYPE_CHECKING = False  # typing's own is not worth importing typing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class RegisteringFinder:
    """Meta path finder that calls `register` after ``mteb`` has been imported.

    It watches the modules of this package too: one that imports ``mteb`` itself is only half
    initialised when ``mteb`` is ready, and registration has to wait until it is whole.
    """

    def __init__(self) -> None:
        self.running = 0
        self.pending = False
        self.searching: set[str] = set()

    def find_spec(
        self,
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Delegate to the other finders, and watch the execution of the modules named above."""
        if not _watched(name):
            return None
        if name in self.searching:  # another finder that asks all others has asked us
            return None
        self.searching.add(name)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                if finder is self or find is None:
                    continue
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        self.watch(spec)
                    return spec
        finally:
            self.searching.discard(name)
        return None

    def watch(self, spec: "ModuleSpec") -> None:
        """Wrap ``exec_module`` on this one loader; everything else about it stays as it was.

        The modules of a zip file share their loader: it is wrapped once, and others pass through.
        """
        loader = spec.loader
        assert loader is not None  # noqa: S101 - find_spec has looked
        execute = loader.exec_module
        if getattr(execute, "finder", None) is self:
            return

        def exec_module(module: "ModuleType") -> None:
            name = module.__name__
            if not _watched(name):
                execute(module)
                return
            self.running += 1
            try:
                execute(module)
                self.pending = self.pending or name == "mteb"
            finally:
                self.running -= 1
            if self.pending and not self.running:
                self.pending = False
                register()

        exec_module.finder = self  # type: ignore[attr-defined]
        try:  # noqa: SIM105 - contextlib is not worth importing
            loader.exec_module = exec_module  # type: ignore[method-assign]
        except (AttributeError, TypeError):  # a loader that takes none; then nothing is registered
            pass


def _watched(name: str) -> bool:
    return name == "mteb" or name.startswith("mteb_hybrid.")


def register() -> None:
    """Register with MTEB; turn any failure into one warning that says what to do.

    ``MTEB_HYBRID_DISABLE`` switches it off, unless it says no: 0, false, f, no, n, off, or nothing.
    """
    import os
    import warnings

    said = os.environ.get("MTEB_HYBRID_DISABLE", "").strip().lower()
    if said not in ("", "0", "false", "f", "no", "n", "off"):
        return
    try:
        from mteb_hybrid import plugin

        plugin.register()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too, and panics of libraries written in Rust
        message = (
            f"mteb-hybrid could not register its tasks ({_visible(error)}). "
            "mteb itself is not affected. It was tested with mteb 2.26; install that version, "
            "update mteb-hybrid, or set MTEB_HYBRID_DISABLE=1 to silence this."
        )
        try:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        except RuntimeWarning:  # python -W error: still not a reason to break mteb
            try:  # noqa: SIM105 - contextlib is not worth importing
                sys.stderr.write(message + "\n")
            except (AttributeError, OSError, ValueError):  # closed
                pass


def _visible(error: BaseException) -> str:
    """An error on one line, with an escape for what is not printed: it may quote anything."""
    try:
        said = f"{type(error).__name__}: {error}"
    except Exception:  # a foreign error that cannot be told
        said = type(error).__name__
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in said)


def install() -> None:
    """Put the finder in front, once per process. Called by the ``.pth`` and ``.start`` files."""
    if not any(type(finder).__name__ == "RegisteringFinder" for finder in sys.meta_path):
        sys.meta_path.insert(0, RegisteringFinder())
