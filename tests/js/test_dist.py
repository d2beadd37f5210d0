"""What is built and committed is what the sources make, is small, and works.

Each test runs one of the tools that a user of the package would run: the build,
node, the type checker, and the compiler on an application of theirs.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "js/dist"
COMPILED_DEMO = ROOT / "js/demos/ways/compiled.js"
LIBRARY = "node_modules/google-closure-library"
MAX_GZIPPED = 12 * 1024

SAMPLE_FLAGS = (
    "--platform=native",
    "--compilation_level=ADVANCED",
    "--dependency_mode=PRUNE",
    "--entry_point=goog:sample.App",
    f"--js={LIBRARY}/closure/goog/**.js",
    f"--js=!{LIBRARY}/closure/goog/**_test.js",
    f"--js={LIBRARY}/third_party/closure/goog/**.js",
    f"--js=!{LIBRARY}/third_party/closure/goog/**_test.js",
    "--js=closure/qmq/**.js",
    "--js=!closure/qmq/**_test.js",
    "--js=!closure/qmq/deps.js",
    "--js=tests/js/sample_app.js",
    "--language_out=ECMASCRIPT_2018",
    "--warning_level=VERBOSE",
    "--jscomp_error=*",
    "--hide_warnings_for=google-closure-library",
    "--define=goog.DEBUG=false",
    "--assume_function_wrapper",
)


def run(*command: str) -> str:
    """What a command prints; its complaint is the test's."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_dist_tables_and_the_compiled_demo_are_what_the_sources_make():
    assert run("node", "js/build.mjs", "--check") == ""


def test_the_check_notices_what_they_do_not_make(tmp_path):
    for folder in ("js", "closure", "server"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    changed = ["js/dist/qmq.mjs", "js/demos/ways/compiled.js", "closure/qmq/deps.js", "js/demos/ways/deps.js"]
    for name in changed:
        with (tmp_path / name).open("a") as file:
            file.write("// by hand")
    done = subprocess.run(["node", str(tmp_path / "js/build.mjs"), "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    words = " is not what its sources make: npm run build"
    assert sorted(done.stderr.splitlines()) == sorted(name + words for name in changed)


@pytest.mark.parametrize(
    "file", [DIST / "qmq.js", DIST / "qmq.mjs", DIST / "qmq-sockjs.js", COMPILED_DEMO], ids=lambda file: file.name
)
def test_size(file):
    assert len(gzip.compress(file.read_bytes(), 9)) <= MAX_GZIPPED


def test_dist_names_no_path():
    for file in [*DIST.iterdir(), COMPILED_DEMO]:
        text = file.read_text(encoding="utf-8")
        assert str(ROOT) not in text
        assert not re.search(r"node_modules|sourceMappingURL|closure/goog", text)


def test_node_uses_every_form_of_the_package():
    assert run("node", "tests/js/dist_use.cjs") == ""


CARELESS = """
const {connect} = require('./js/dist/qmq.js');
const {FakeTransport} = require('./js/dist/qmq-testing.js');
const fake = new FakeTransport();
const client = connect('http://h/stomp', {transports: [fake]});
fake.accept().then(async () => {
  client.publish('/nowhere', 'x');
  client.publish('/topic/a', new Map());
  client.publish('/topic/a', new Blob(['x']), {headers: {k: null}});
  client.request('/queue/a', 'x');
  client.subscribe('/nowhere', (m) => { m.ack(); m.reply('x'); });
  for (const frame of fake.takeAllSent()) {
    fake.receive('ERROR', {'code': 'forbidden', 'fatal': 'false', 'receipt-id': frame.headers.get('receipt')});
  }
  client.subscribe('/topic/a', (m) => { m.ack(); m.reply('x'); }).unsubscribe();
  client.publish('/topic/b', 'x');
  client.dispose();
  client.publish('/topic/a', 'x');
  client.request('/topic/a', 'x');
  client.subscribe('/topic/a', () => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  const code = await client.publish('/topic/a', 'x').catch((error) => error.code);
  console.log(code);
});
"""


def test_node_program_that_waits_for_nothing_goes_on():
    assert run("node", "-e", CARELESS) == "closed\n"


def test_types():
    assert run("node_modules/.bin/tsc", "-p", "tests/js/tsconfig.json") == ""


def test_a_closure_application_compiles():
    compiled = run("node", "node_modules/google-closure-compiler/cli.js", *SAMPLE_FLAGS)
    # Something is left of it, and none of its private names is.
    assert "/topic/chat" in compiled
    assert "onMessage_" not in compiled


def test_the_client_imports_nothing_of_the_library():
    for file in (ROOT / "closure/qmq").rglob("*.js"):
        if file.stem.endswith("_test") or file.parent.name == "closure":
            continue
        required = re.findall(r"goog\.require(?:Type)?\('([\w.]+)'\)", file.read_text(encoding="utf-8"))
        assert [name for name in required if not name.startswith("qmq.")] == [], file


def test_lock_file_names_no_registry():
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")


@pytest.fixture
def packed(tmp_path):
    """A project of somebody else's that has installed the package as it would be published."""
    [name] = json.loads(run("npm", "pack", "--json", "--silent", "--pack-destination", str(tmp_path)))
    where = tmp_path / "node_modules/qmq"
    where.mkdir(parents=True)
    with tarfile.open(tmp_path / name["filename"]) as archive:
        archive.extractall(where, filter="data")
    shutil.move(where / "package", tmp_path / "package")
    where.rmdir()
    shutil.move(tmp_path / "package", where)
    (tmp_path / "package.json").write_text('{"name": "page"}')
    return tmp_path


def test_the_package_has_what_its_users_need_and_no_more(packed):
    root = packed / "node_modules/qmq"
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    for name in (
        "js/dist/qmq.js",
        "js/dist/qmq.mjs",
        "js/qmq.d.ts",
        "js/qmq.d.mts",
        "closure/qmq/client.js",
        "LICENSE",
        "README.md",
    ):
        assert name in files
    strangers = {name for name in files if not name.startswith(("js/dist/", "closure/qmq/")) and "/" in name}
    kinds = (".d.ts", ".d.mts")
    assert strangers == {f"js/{name}{kind}" for name in ("qmq", "qmq-sockjs", "qmq-testing") for kind in kinds}
    assert not {name for name in files if "_test" in name}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.mjs", "import {connect, Client} from 'qmq'; import {FakeTransport} from 'qmq/testing';"),
        (
            "b.mjs",
            "import qmq from 'qmq'; import testing from 'qmq/testing'; const {connect, Client} = qmq;"
            "const {FakeTransport} = testing;",
        ),
        ("a.cjs", "const {connect, Client} = require('qmq'); const {FakeTransport} = require('qmq/testing');"),
    ],
)
def test_node_imports_the_package(packed, name, source):
    use = "const c = connect('http://h/stomp', {transports: [new FakeTransport()]});"
    (packed / name).write_text(f"{source} {use} console.log(c instanceof Client, c.state); c.dispose();")
    assert run("node", str(packed / name)) == "true connecting\n"


def test_the_packages_types_are_found(packed):
    (packed / "page.mts").write_text(
        "import {connect, WebSocketTransport} from 'qmq'; import {FakeTransport} from 'qmq/testing';"
        "import {transport} from 'qmq/sockjs'; class SockJS { constructor(url: string) {} }"
        "const client = connect('/stomp', {transports: [WebSocketTransport, transport(SockJS), new FakeTransport()]});"
        "const state: 'open' | 'connecting' | 'waiting' | 'closed' = client.state;"
        "// @ts-expect-error\nclient.publish(7);"
    )
    options = ["--strict", "--noEmit", "--target", "es2020", "--module", "node16", "--lib", "es2020,dom"]
    assert run("node_modules/.bin/tsc", *options, str(packed / "page.mts")) == ""


# How a program in TypeScript may take the package, as a module and by require.
TYPED = {
    "names.mts": "import {connect, Client} from 'qmq';",
    "default.mts": "import qmq from 'qmq'; const {connect, Client} = qmq;",
    "all.mts": "import * as qmq from 'qmq'; const {connect, Client} = qmq;",
    "names.cts": "import {connect, Client} from 'qmq';",
    "default.cts": "import qmq from 'qmq'; const {connect, Client} = qmq;",
    "all.cts": "import qmq = require('qmq'); const {connect, Client} = qmq;",
}
OPTIONS = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--esModuleInterop"]


def test_what_the_types_allow_works(packed):
    for name, imports in TYPED.items():
        (packed / name).write_text(
            f"{imports} const c: InstanceType<typeof Client> = connect('http://h/stomp', {{transports: []}});"
            "const state: string = c.state; console.log(state); c.dispose();"
        )
    files = [str(packed / name) for name in TYPED]
    assert run("node_modules/.bin/tsc", *OPTIONS, "--module", "nodenext", *files) == ""
    for file in files:
        assert run("node", file[:-2] + "js") == "connecting\n", file


@pytest.mark.parametrize("resolution", ["bundler", "node10"])
def test_types_are_found_by_other_resolutions(packed, resolution):
    (packed / "page.ts").write_text(
        "import qmq from 'qmq'; import {connect, Client} from 'qmq';"
        "const client: Client = connect('/stomp'); const other: Client = qmq.connect('/stomp');"
    )
    options = [*OPTIONS, "--noEmit", "--module", "esnext", "--moduleResolution", resolution]
    assert run("node_modules/.bin/tsc", *options, str(packed / "page.ts")) == ""


def test_esbuild_bundles_the_package(packed):
    (packed / "page.js").write_text("import {connect} from 'qmq'; globalThis.state = connect('http://h/').state;")
    bundle = packed / "bundle.js"
    options = ["--bundle", "--minify", "--format=iife", "--log-level=warning", f"--outfile={bundle}"]
    assert run("node_modules/.bin/esbuild", str(packed / "page.js"), *options) == ""
    assert len(gzip.compress(bundle.read_bytes(), 9)) < MAX_GZIPPED * 1.05
    check = f"require({json.dumps(str(bundle))}); console.log(state); process.exit()"
    assert run("node", "-e", check) == "connecting\n"
