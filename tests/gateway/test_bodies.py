"""How large bodies may be: what is around a message fits in, by every way in, and no much larger one."""

import json
from urllib.parse import quote

import pytest

from qmq.gateway.bodies import Allowed
from qmq.sections import Limits
from qmq.wire import stomp

LIMITS = Limits(body=1000, header_bytes=500)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/poll", "frame-too-large"),
        ("/poll/abc/send?seq=1&ack=0", "frame-too-large"),
        ("/sockjs/000/abc/xhr_send", "frame-too-large"),
        ("/api/v1/publish", "body-too-large"),
        ("/avro", "body-too-large"),
        ("/health/live", "body-too-large"),
    ],
)
def test_each_path_has_its_code(path, code):
    most, found = Allowed(LIMITS).at(path)
    assert found == code
    assert most < 400_000 + 10 * LIMITS.frame_bytes


@pytest.mark.parametrize("letter", ["x", "é", '"', "\x01", "\ud800"])
def test_the_largest_frame_fits_in_however_json_writes_it(letter):
    size = len(letter.encode("utf-8", "surrogatepass"))
    frame = stomp.encode("SEND", {"destination": "/topic/" + "x" * 400}, b"", "1.2").decode() + letter * (1000 // size)
    text = json.dumps([frame], ensure_ascii=False).encode("utf-8", "surrogatepass")
    allowed = Allowed(Limits(body=100_000, header_bytes=500))
    scale = 100
    assert scale * len(text) <= allowed.at("/sockjs/0/a/xhr_send")[0]
    assert scale * len("d=" + quote(text)) <= allowed.at("/sockjs/0/a/jsonp_send")[0]


def test_the_query_says_nothing_about_the_path():
    assert Allowed(LIMITS).at("/poll?/jsonp_send") == Allowed(LIMITS).at("/poll")
    assert Allowed(LIMITS).at("/sockjs/0/a/xhr_send?/jsonp_send") == Allowed(LIMITS).at("/sockjs/0/a/xhr_send")
