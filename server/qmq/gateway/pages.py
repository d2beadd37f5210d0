"""The pages and scripts that a node serves: landing page, demos, the browser client, and pages of one's own.

They come from files: in a checkout from `js/` and `closure/`, in an installed
package from `qmq/static`, and from the folder that the configuration names. Nothing is
served from anywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qmq.gateway.files import INDEX, Files, Found
from qmq.gateway.handlers import SAFE_HEADERS, Elsewhere, Problems, open_to_others, refuse
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


class ForAll(Files):
    """The client's scripts, which pages of any origin may load."""

    def dress(self, found: Found) -> None:
        open_to_others(self)


class Demos(Files):
    """The demo pages. One of them loads modules in the way of Closure, which evaluates what it has fetched."""

    def dress(self, found: Found) -> None:
        if self.request.path.endswith("/ways/closure.html"):
            policy = self._headers["Content-Security-Policy"]
            policy = policy.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
            self.set_header("Content-Security-Policy", policy)


class Own(Files):
    """The pages of whoever runs the node, and ours where they have none. What theirs may do is for them to say."""

    def dress(self, found: Found) -> None:
        if found.root == self._roots[0]:
            for name in SAFE_HEADERS.keys() - {"Server", "X-Content-Type-Options"}:
                self.clear_header(name)


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

    head = get


class Info(Problems):
    """What a page may know about the node that served it."""

    def initialize(self, stats: Stats, info: dict[str, Any] | None = None) -> None:
        super().initialize(stats)
        self._info = info or {}

    def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.finish(self._info)

    head = get


def routes(stats: Stats, live: Any, ready: Any, info: dict[str, Any], own: str = "") -> list[Any]:
    """Tornado rules for everything that is a file, and for health.

    Args:
        stats: Where refusals are counted.
        live: Returns what does not go on any more, as an error, or None.
        ready: Returns the reason why the node is not ready, as an error, or None.
        info: What `/info.json` tells; the demos are served if its `demo` is true.
        own: A folder with pages that stand beside ours and before the landing page, if there is one.

    """
    dist = str(static_root("dist"))
    demos, landing = str(static_root("demos")), str(static_root("landing"))
    rules: list[Any] = [
        (r"\*", Problems, {"stats": stats}),  # OPTIONS *, as health checks ask
        (r"/health/live", Health, {"stats": stats, "ready": live}),
        (r"/health/ready", Health, {"stats": stats, "ready": ready}),
        (r"/info\.json", Info, {"stats": stats, "info": info}),
        (r"/(qmq(?:-sockjs)?\.m?js)", ForAll, {"stats": stats, "path": dist}),
        (r"/closure/qmq/(.*)", ForAll, {"stats": stats, "path": str(static_root("closure/qmq"))}),
    ]
    if info["demo"]:
        rules += [
            (r"/demo", Elsewhere, {"stats": stats, "url": "/demo/"}),
            (r"/demo/(.*)", Demos, {"stats": stats, "path": demos, "index": INDEX}),
        ]
        if (library := closure_library()) is not None:
            rules.append((r"/closure/goog/(base\.js)", Files, {"stats": stats, "path": str(library)}))
    if own:
        return [*rules, (r"/(.*)", Own, {"stats": stats, "path": (own, landing), "index": INDEX})]
    rules += [
        (r"/()", Files, {"stats": stats, "path": landing, "index": INDEX}),
        (r"/((?:style|landing|api)\.css|favicon\.(?:ico|svg)|landing\.js)", Files, {"stats": stats, "path": landing}),
    ]
    return rules
