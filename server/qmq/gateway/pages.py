"""The pages and scripts that a node serves: landing page, demos, the browser client.

They come from files: in a checkout from `js/` and `closure/`, in an installed
package from `qmq/static`. Nothing is served from anywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tornado.web import HTTPError, RedirectHandler, StaticFileHandler

from qmq.gateway.handlers import Problems, Telling, open_to_others, refuse, set_safe_headers
from qmq.stats import Stats


def static_root(name: str) -> Path:
    """The folder of `dist`, `demos`, `landing` or `closure/qmq`."""
    installed = Path(__file__).parent.parent / "static" / name
    if installed.is_dir():
        return installed
    checkout = Path(__file__).parents[3]
    return checkout / name if name.startswith("closure") else checkout / "js" / name


def closure_library() -> Path | None:
    """The folder of base.js, for demos that are not compiled: npm brings it to a checkout, and a package has none."""
    folder = Path(__file__).parents[3] / "node_modules/google-closure-library/closure/goog"
    return folder if folder.is_dir() else None


class Files(Telling, StaticFileHandler):
    """Static files with safe headers, revalidated on each use."""

    def initialize(  # type: ignore[override]
        self, stats: Stats, path: str, default_filename: str | None = None, for_all: bool = False
    ) -> None:
        super().initialize(path, default_filename)
        self.stats = stats
        self._for_all = for_all

    def set_default_headers(self) -> None:
        set_safe_headers(self)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        if self._for_all:
            open_to_others(self)

    def get_content_type(self) -> str:
        kind = super().get_content_type()
        return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith("javascript") else kind

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        # A link may lead anywhere, and what is no file may never end; Tornado looks at neither.
        if "\0" in absolute_path or not Path(absolute_path).resolve().is_relative_to(Path(root).resolve()):
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)


class Demos(Files):
    """The demo pages. One of them loads modules in the way of Closure, which evaluates what it has fetched."""

    def set_extra_headers(self, path: str) -> None:
        super().set_extra_headers(path)
        if path == "ways/closure.html":
            policy = self._headers["Content-Security-Policy"]
            policy = policy.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
            self.set_header("Content-Security-Policy", policy)


class Health(Problems):
    """Whether the node lives, and whether it takes new clients."""

    def initialize(self, stats: Stats, ready: Any = None) -> None:
        super().initialize(stats)
        self._ready = ready

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        why_not = self._ready() if self._ready is not None else None
        if why_not is not None:
            refuse(self, why_not, self.stats)
            return
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


class Info(Problems):
    """What a page may know about the node that served it."""

    def initialize(self, stats: Stats, info: dict[str, Any] | None = None) -> None:
        super().initialize(stats)
        self._info = info or {}

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish(self._info)


def routes(stats: Stats, live: Any, ready: Any, info: dict[str, Any]) -> list[Any]:
    """Tornado rules for everything that is a file, and for health.

    Args:
        stats: Where refusals are counted.
        live: Returns what does not go on any more, as an error, or None.
        ready: Returns the reason why the node is not ready, as an error, or None.
        info: What `/info.json` tells; the demos are served if its `demo` is true.

    """
    dist = str(static_root("dist"))
    demos, landing = str(static_root("demos")), str(static_root("landing"))
    rules: list[Any] = [
        (r"/health/live", Health, {"stats": stats, "ready": live}),
        (r"/health/ready", Health, {"stats": stats, "ready": ready}),
        (r"/info\.json", Info, {"stats": stats, "info": info}),
        (r"/(qmq(?:-sockjs)?\.m?js)", Files, {"stats": stats, "path": dist, "for_all": True}),
        (r"/closure/qmq/(.*)", Files, {"stats": stats, "path": str(static_root("closure/qmq")), "for_all": True}),
    ]
    if info["demo"]:
        rules += [
            (r"/demo", RedirectHandler, {"url": "/demo/", "permanent": False}),
            (r"/demo/(.*)", Demos, {"stats": stats, "path": demos, "default_filename": "index.html"}),
        ]
        if (library := closure_library()) is not None:
            rules.append((r"/closure/goog/(base\.js)", Files, {"stats": stats, "path": str(library)}))
    rules += [
        (r"/()", Files, {"stats": stats, "path": landing, "default_filename": "index.html"}),
        (r"/((?:style|landing|api)\.css|favicon\.(?:ico|svg)|landing\.js)", Files, {"stats": stats, "path": landing}),
    ]
    return rules
