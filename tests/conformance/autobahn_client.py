"""The part of autobahn.py that runs inside build/autobahn, beside the converted suite.

The suite's old code knows one kind of string; the protocol library under it
takes and gives bytes. Between the two stands `Client`: a text in which each
character is one octet goes down as bytes, and bytes come up as such a text.
It adds no case and judges none.
"""

import binascii
import builtins
import json
import sys


def octets(text):
    """Old code's string, as bytes."""
    return text.encode("latin-1") if isinstance(text, str) else text


def text_of(data):
    """Bytes, as old code's string."""
    return data.decode("latin-1") if isinstance(data, bytes) else data


def octets_as_hex(text):
    """What Python 2's binascii.b2a_hex gave."""
    return binascii.b2a_hex(octets(text)).decode("ascii")


def readable(value):
    """A copy of a case's result that can be written as JSON."""
    if isinstance(value, dict):
        return {str(key): readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [readable(item) for item in value]
    return text_of(value)


builtins.octets_as_hex = octets_as_hex  # the converted modules call it where they called binascii
suite_folder, url, report, *patterns = sys.argv[1:]
sys.path.insert(0, suite_folder)

from autobahntestsuite import fuzzing  # noqa: E402
from twisted.internet import reactor  # noqa: E402


class Client(fuzzing.FuzzingClientProtocol):
    """One case's connection."""

    def sendFrame(self, opcode, payload="", payload_len=None, **rest):
        """Sends any frame, correct or not."""
        data = octets(payload)
        if payload_len is not None:  # the library's own repetition divides as Python 2 does
            data = (data * (payload_len // len(data) + 1))[:payload_len]
        super().sendFrame(opcode, payload=data, **rest)

    def sendMessage(self, payload, *args, **named):
        """Sends a correct message."""
        super().sendMessage(octets(payload), *args, **named)

    def sendMessageFrameData(self, payload, *args, **named):
        """Sends a piece of a frame."""
        return super().sendMessageFrameData(octets(payload), *args, **named)

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        """Sends a close frame, correct or not."""
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)

    def onMessage(self, payload, isBinary):
        """Takes an echo."""
        super().onMessage(text_of(payload), isBinary)

    def onPong(self, payload):
        """Takes a pong."""
        super().onPong(text_of(payload))

    def logRxFrame(self, frameHeader, payload):
        """Notes a frame that came."""
        super().logRxFrame(frameHeader, [text_of(part) for part in payload])


class Factory(fuzzing.FuzzingClientFactory):
    """Runs one case after another, and writes one file at the end."""

    def createReports(self):
        """Writes what autobahn.py reads."""
        results = next(iter(self.agents.values()), {})
        kept = [
            "behavior", "behaviorClose", "remoteCloseCode", "expected", "received", "result", "resultClose",
            "duration", "wirelog", "description",
        ]  # fmt: skip
        cases = {case: readable({key: result[key] for key in kept}) for case, result in results.items()}
        with open(report, "w", encoding="utf-8") as file:
            json.dump({"asked": self.specCases, "results": cases}, file, indent=1)


fuzzing.FuzzingClientProtocol = Client
fuzzing.asciiLogData = lambda data, maxlen=64, replace=False: text_of(data)[:maxlen]
Factory({"servers": [{"agent": "echo", "url": url}], "cases": patterns})
reactor.run()
