"""Files over HTTP: what is given, what is never, and that no loop waits for them."""

import asyncio
import os
import threading
import time
from urllib.parse import quote

import pytest

from qmq.gateway import files
from qmq.gateway.files import kind_of, look_for
from tests.gateway.poll_peer import Http
from tests.helpers import Peer, plain, until

pytestmark = pytest.mark.one_thread("the answers know nothing of threads")

KINDS = {
    "index.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.MJS": "text/javascript; charset=utf-8",
    "app.js.map": "application/json",
    "a.wasm": "application/wasm",
    "a.woff2": "font/woff2",
    "a.svg": "image/svg+xml",
    "a.png": "image/png",
    "a.tar.gz": "application/gzip",
    "a.xz": "application/octet-stream",
    "nothing": "application/octet-stream",
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    assert kind_of(name) == KINDS[name]


@pytest.fixture
def folder(tmp_path):
    """A folder of pages, and around it what is nobody's business."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "pages-of-others").mkdir()
    (tmp_path / "pages-of-others/index.html").write_text("secret")
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text("<!doctype html><script>1</script>")
    (pages / "app.js").write_bytes(bytes(range(256)) * 1000)
    (pages / "empty.txt").write_text("")
    (pages / "ä b.txt").write_text("umlaut")
    (pages / "sub").mkdir()
    (pages / "sub/index.html").write_text("sub")
    (pages / "bare").mkdir()
    (pages / "bare/a.txt").write_text("a")
    (pages / ".git").mkdir()
    (pages / ".git/config").write_text("secret")
    (pages / ".env").write_text("secret")
    (pages / ".well-known").mkdir()
    (pages / ".well-known/a.txt").write_text("known")
    (pages / "out").symlink_to(tmp_path / "secret.txt")
    (pages / "outside").symlink_to(tmp_path)
    (pages / "inside").symlink_to(pages / "index.html")
    os.mkfifo(pages / "pipe")
    return pages


@pytest.fixture
def serve(start_node, folder, dial):
    """A connection to a node that serves the folder: `peer = await serve()`."""

    async def serve(**values):
        return await dial(await start_node({"static": str(folder), **values}))

    return serve


@pytest.mark.gen_test(timeout=20)
async def test_what_is_given(serve):
    peer = await serve()
    found = {
        "/": b"<!doctype html><script>1</script>",
        "/index.html": b"<!doctype html><script>1</script>",
        "/?x=y": b"<!doctype html><script>1</script>",
        "/app.js": bytes(range(256)) * 1000,
        "/empty.txt": b"",
        "/%C3%A4%20b.txt": b"umlaut",
        "/sub/": b"sub",
        "/sub/../sub/./": b"sub",
        "/sub/..": b"<!doctype html><script>1</script>",
        "/.well-known/a.txt": b"known",
        "/inside": b"<!doctype html><script>1</script>",
    }
    for path, body in found.items():
        answer = await peer.ask(plain(path))
        assert (path, answer.status, answer.body) == (path, 200, body)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        # What somebody's own pages may do, they say themselves.
        assert "content-security-policy" not in answer.headers


HIDDEN = [
    "/secret.txt", "/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt",
    "/..%5csecret.txt", "/.git/config", "/.env", "/sub/../.env", "/out", "/outside/secret.txt", "/pipe", "/bare",
    "/bare/", "/nothing", "/app.js/", "/app.js/x", "//secret.txt", "/sub//index.html", "/%00", "/a%00b", "//etc/passwd",
    "/index.html%00.txt", "/" + "a/" * 100, "/../pages-of-others/index.html", "/" + "x" * 1000, "/%2fetc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", HIDDEN)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_never_given(serve, path):
    peer = await serve()
    answer = await peer.ask(plain(path))
    assert answer.problem() == (404, "not-found")
    assert b"secret" not in answer.body.replace(path.encode(), b"")


@pytest.mark.gen_test(timeout=20)
async def test_a_folder_is_sent_to_its_index(serve):
    peer = await serve()
    answer = await peer.ask(plain("/sub"))
    assert (answer.status, answer.headers["location"]) == (302, "./sub/")


@pytest.mark.gen_test(timeout=20)
async def test_what_has_not_changed_is_not_given_again(serve, folder):
    peer = await serve()
    first = await peer.ask(plain("/app.js"))
    same = await peer.ask(plain("/app.js", If_None_Match=first.headers["etag"]))
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", first.headers["etag"])
    same = await peer.ask(plain("/app.js", If_Modified_Since=first.headers["last-modified"]))
    assert same.status == 304
    (folder / "app.js").write_text("changed")
    changed = await peer.ask(plain("/app.js", If_None_Match=first.headers["etag"]))
    assert (changed.status, changed.body) == (200, b"changed")


RANGES = {
    "bytes=0-9": (206, 0, 10),
    "bytes=255990-": (206, 255990, 256000),
    "bytes=-5": (206, 255995, 256000),
    "bytes=5-999999999": (206, 5, 256000),
    "bytes=256000-": (416, 0, 0),
    "bytes=9-5": (416, 0, 0),
    "bytes=1-2,5-6": (200, 0, 256000),
    "lines=1-2": (200, 0, 256000),
}


@pytest.mark.parametrize("asked", RANGES)
@pytest.mark.gen_test(timeout=20)
async def test_a_part_may_be_asked_for(serve, asked):
    status, start, end = RANGES[asked]
    answer = await (await serve()).ask(plain("/app.js", Range=asked))
    assert (answer.status, answer.body) == (status, (bytes(range(256)) * 1000)[start:end])
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/256000"
    other = await (await serve()).ask(plain("/app.js", Range=asked, If_Range='"other"'))
    assert other.status == 200


@pytest.mark.gen_test(timeout=20)
async def test_ours_go_before_and_the_landing_page_behind(serve, folder):
    (folder / "qmq.js").write_text("mine")
    (folder / "style.css").write_text("mine")
    (folder / "index.html").unlink()
    peer = await serve(demo=True)
    assert b"mine" not in (await peer.ask(plain("/qmq.js"))).body
    assert (await peer.ask(plain("/style.css"))).body == b"mine"
    landing = await peer.ask(plain("/"))
    assert landing.status == 200 and "content-security-policy" in landing.headers
    assert (await peer.ask(plain("/demo/"))).status == 200
    assert (await peer.ask(plain("/health/live"))).body == b"ok\n"
    assert (await peer.ask(plain("/api/v1/stats"))).status == 200


@pytest.mark.gen_test(timeout=20)
async def test_no_loop_waits_for_a_disk(serve, folder, monkeypatch):
    """Everything that may block is done by other threads."""
    here = threading.get_ident()
    used = []

    def noting(name, action):
        def noted(*args, **more):
            used.append((name, threading.get_ident() == here))
            return action(*args, **more)

        return noted

    monkeypatch.setattr(files.os, "open", noting("open", os.open))
    monkeypatch.setattr(files.os, "pread", noting("pread", os.pread))
    monkeypatch.setattr(files.os.path, "realpath", noting("realpath", os.path.realpath))
    peer = await serve()
    used.clear()
    assert len((await peer.ask(plain("/app.js"))).body) == 256_000
    names = {name for name, _ in used}
    assert names == {"open", "pread", "realpath"}
    assert not any(on_loop for _, on_loop in used)


@pytest.mark.gen_test(timeout=30)
async def test_who_does_not_read_is_not_read_for(start_node, folder):
    """A large file is not in memory as a whole, and is closed when its reader has gone."""
    with (folder / "large").open("wb") as large:
        large.truncate(200 << 20)
    node = await start_node({"static": str(folder)})

    def opened():
        return sum(os.path.realpath(f"/proc/self/fd/{each}").endswith("/large") for each in os.listdir("/proc/self/fd"))

    peer = await Peer.open(node.listen[0]["port"], receive_buffer=4096)
    await peer.send(plain("/large"))
    await until(lambda: opened() == 1)
    other = await Http.open(node.listen[0]["port"])
    other.ask("/health/live", method="GET")
    assert (await other.answer())[0] == 200
    streams = [each.stream for each in node.branch.servers["http"]._connections]
    await until(lambda: any(each.writing() for each in streams))
    assert all(len(each._write_buffer) < 1 << 20 for each in streams)
    peer.close()
    other.close()
    await until(lambda: opened() == 0)


@pytest.mark.gen_test(timeout=20)
async def test_a_file_that_becomes_shorter_ends_the_connection(start_node, folder, monkeypatch):
    gone = b"x" * 1000
    monkeypatch.setattr(files.os, "pread", lambda number, size, start: gone if not start else b"")
    node = await start_node({"static": str(folder)})
    http = await Http.open(node.listen[0]["port"])
    http.ask("/app.js", method="GET")
    with pytest.raises(asyncio.IncompleteReadError):
        await http.answer()
    http.close()


def test_a_path_is_looked_for_in_each_folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b/x.txt").write_text("x")
    found = look_for((str(tmp_path / "a"), str(tmp_path / "b")), quote("x.txt"), None)
    os.close(found.number)
    assert (found.root, found.size) == (str(tmp_path / "b"), 1)
    assert abs(time.time() - os.stat(tmp_path / "b/x.txt").st_mtime) < 60
    assert look_for((str(tmp_path / "a"),), "", None) is None
