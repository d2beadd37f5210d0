"""One tab of the browser that all tests share."""

import re
from urllib.parse import urlsplit


class Page:
    """One tab."""

    def __init__(self, chrome, url):
        self.chrome = chrome
        self.port = urlsplit(url).port
        chrome.switch_to.new_window("tab")
        self.handle = chrome.current_window_handle
        chrome.get(url)

    def __enter__(self):
        self.chrome.switch_to.window(self.handle)
        return self.chrome

    def __exit__(self, *error):
        pass

    def run(self, script, *arguments):
        """Runs a script in the page; what it returns, a promise included, is the result."""
        with self as chrome:
            return chrome.execute_script(script, *arguments)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def state(self):
        return self.run("return document.querySelector('#state').dataset.state")

    def console(self):
        """What this node's pages wrote to their consoles as errors.

        The browser has one log for all its tabs, and a tab that an earlier test closed may still write to it.
        """
        with self as chrome:
            errors = [entry["message"] for entry in chrome.get_log("browser") if entry["level"] == "SEVERE"]
        mine = [text for text in errors if set(re.findall(r"//[\w.]+:(\d+)", text)) <= {str(self.port)}]
        return [text for text in mine if not text.startswith("chrome-error:")]  # what no page of ours can be

    def close(self):
        with self as chrome:
            chrome.close()
