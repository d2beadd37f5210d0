"""A Firefox for tests, driven over WebDriver BiDi: JSON on a WebSocket, which Firefox itself serves.

It does what these tests need and no more: tabs, scripts in them, what they write to the console, and taking
the network away.
"""

import contextlib
import itertools
import json
import re
import shutil
import subprocess

import websocket
from running import until

SECONDS = 30
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")

# Nothing that goes to the network by itself, and nothing that asks.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}

# Runs a script with arguments, both ways as JSON; what it returns may be a promise.
RUN = """async (json) => {
  const result = await (async function() {%s}).apply(null, JSON.parse(json));
  return JSON.stringify(result === undefined ? null : result);
}"""


class Firefox:
    """A running Firefox.

    Args:
        folder: For its profile and its log.

    """

    def __init__(self, folder):
        profile = folder / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        self._log = folder / "firefox.log"
        program = shutil.which("firefox-esr") or "firefox"
        command = [program, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            found = until(lambda: LISTENS.search(self._log.read_text()), SECONDS, "Firefox")
            self._socket = websocket.create_connection(f"{found[1]}/session", timeout=SECONDS, suppress_origin=True)
        except BaseException:
            self._process.kill()
            raise
        self._numbers = itertools.count(1)
        self._errors = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])

    def call(self, method, **parameters):
        """One command; returns its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            self._note(answer)
        assert answer["type"] == "success", f"{method}: {answer.get('error')}: {answer.get('message')}"
        return answer["result"]

    def open(self, url, before=""):
        """A new tab at that address, after a script that runs before those of the page."""
        tab = Tab(self, self.call("browsingContext.create", type="tab")["context"])
        if before:
            script = f"() => {{{before}}}"
            self.call("script.addPreloadScript", functionDeclaration=script, contexts=[tab.context])
        self.call("browsingContext.navigate", context=tab.context, url=url, wait="complete")
        return tab

    def errors(self, context):
        """What a tab wrote to its console as errors."""
        return [entry["text"] for entry in self._errors if entry["source"].get("context") == context]

    def quit(self):
        """Ends it."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.call("browser.close")
        self._socket.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _note(self, event):
        if event.get("method") == "log.entryAdded" and event["params"]["level"] == "error":
            self._errors.append(event["params"])


class Tab:
    """One tab; as far as it goes, it does what a page in Chromium does in these tests."""

    def __init__(self, firefox, context):
        self._firefox = firefox
        self.context = context

    def run(self, script, *arguments):
        """Runs a script in the page; what it returns, a promise included, is the result."""
        answer = self._firefox.call(
            "script.callFunction",
            functionDeclaration=RUN % script,
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def offline(self, is_offline):
        """Takes the network away, or gives it back."""
        conditions = {"type": "offline"} if is_offline else None
        self._firefox.call("emulation.setNetworkConditions", networkConditions=conditions, contexts=[self.context])

    def console(self):
        """What it wrote to its console as errors."""
        return self._firefox.errors(self.context)

    def close(self):
        self._firefox.call("browsingContext.close", context=self.context)
