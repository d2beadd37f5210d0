"""Which tokens are believed, and what those that are not are told."""

import base64
import json
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.session import keys
from qmq.session.auth import Kind
from qmq.session.tokens import Tokens, looks_like_one
from tests.tokens import SECRET, jwk, key_file, public_pem, token, with_header

ALL = [keys.read(key_file(algorithm))[0] for algorithm in keys.ALGORITHMS]
TOKENS = Tokens(ALL)


def refusal(said, tokens=TOKENS, code="bad-token"):
    with pytest.raises(QmqError) as error:
        tokens.verify(said, time.time())
    assert error.value.code.name == code, error.value
    return error.value.detail


@pytest.mark.parametrize("algorithm", keys.ALGORITHMS)
def test_a_good_token(algorithm):
    end = int(time.time()) + 60
    said = token("alice", algorithm, exp=end, role="editor", qmq={"publish": ["/topic/a.#"], "consume": []})
    principal = TOKENS.verify(said, time.time())
    assert (principal.name, principal.kind, principal.expires) == ("alice", Kind.TOKEN, end)
    assert principal.claims["role"] == "editor"
    assert principal.rights == {"publish": ("/topic/a.#",), "consume": ()}
    assert TOKENS.still_believes(principal)
    assert looks_like_one(said)


def test_names_and_rights_may_be_elsewhere():
    tokens = Tokens(ALL, name_claim="user", rights_claim="")
    principal = tokens.verify(token(user="bob", qmq="what others make of it"), time.time())
    assert (principal.name, principal.rights) == ("bob", {})


@pytest.mark.parametrize("leeway", [0.0, 5.0, 90.0])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_issuer_whose_clock_is_ahead_is_believed(claim, leeway):
    tokens, now = Tokens(ALL, leeway=leeway), time.time()
    ahead = max(leeway, 60)
    for seconds in (0, 30, ahead - 1):
        assert tokens.verify(token("alice", exp=now + 600, **{claim: now + seconds}), now).name == "alice"
    with pytest.raises(QmqError, match="bad-token"):
        tokens.verify(token("alice", exp=now + 600, **{claim: now + ahead + 2}), now)


def test_very_long_token_is_none_in_milliseconds():
    far = time.time() + 1e12
    assert TOKENS.verify(token("alice", exp=far), time.time()).expires == far


def unsigned(algorithm="none", **claims):
    parts = {"alg": algorithm, "typ": "JWT"}, {"sub": "alice", "exp": 1e10, **claims}
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}."


def confused():
    """Signed with a public key as if it were a shared secret. PyJWT will not do that, so it is done by hand."""
    head, body = unsigned("HS256").split(".")[:2]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signed = signature.sign(f"{head}.{body}".encode(), public_pem("RS256"))
    return f"{head}.{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"


GOOD = token(lasts=86400)  # made once, for all tests
BAD = {
    "nothing": ("", "three parts"),
    "no token": ("hello", "three parts"),
    "blanks": (f" {GOOD}", "three parts"),
    "a line end": (GOOD + "\n", "three parts"),
    "long": (GOOD + "x" * 8192, "longer than 8192"),
    "no signature": (GOOD.rpartition(".")[0] + ".", "none of the keys"),
    "half a signature": (GOOD[:-10], "it is damaged"),
    "another body": (GOOD[:60] + ("A" if GOOD[60] != "A" else "B") + GOOD[61:], "none of the keys"),
    "no header": (".".join(["AAAA", *GOOD.split(".")[1:]]), "header is damaged"),
    "none": (unsigned(), "none of HS256"),
    "None": (unsigned("None"), "none of HS256"),
    "nONE": (unsigned("nONE"), "none of HS256"),
    "HS256 unsigned": (unsigned("HS256"), "none of the keys"),
    "RS256 as HS256": (confused(), "none of the keys"),
    "HS256 as RS256": (with_header(GOOD, alg="RS256"), "none of the keys"),
    "another secret": (token(key="x" * 32), "none of the keys"),
    "HS512": (token(algorithm="HS512", key=SECRET * 2), "none of HS256"),
    "alg is a list": (with_header(GOOD, alg=["HS256"]), "none of HS256"),
    "no alg": (with_header(GOOD, typ="JWT"), "none of HS256"),
    "crit": (token(headers={"crit": ["x"], "x": 1}), "crit"),
    "no end": (token(exp=None), "no end"),
    "an end that is none": (unsigned("HS256", exp="x"), "none of the keys"),
    "a false end": (token(exp=True), "no time"),
    "an endless end": (token(exp=1e300), "no time"),
    "an end in milliseconds": (token(exp=time.time() * 1000 + 60_000), "exp counts milliseconds"),
    "a beginning in milliseconds": (token(nbf=time.time() * 1000), "nbf counts milliseconds"),
    "issued in milliseconds": (token(iat=time.time() * 1000), "iat counts milliseconds"),
    "not yet": (token(nbf=time.time() + 86400), "begins in"),
    "from the future": (token(iat=time.time() + 86400), "in the future"),
    "nobody": (token(None), "names no holder"),
    "no name": (token(""), "names no holder"),
    "a long name": (token("x" * 256), "names no holder"),
    "a bad name": (token("a\nb"), "names no holder"),
    "a number": (token(7), "names no holder"),
    "for others": (token(aud="them"), "somebody in particular"),
    "rights are a list": (token(qmq=[]), "no object"),
    "a right that is none": (token(qmq={"fly": []}), "has only publish"),
    "patterns are a string": (token(qmq={"publish": "/topic/a"}), "no list"),
    "patterns are numbers": (token(qmq={"publish": [1]}), "no list"),
    "many patterns": (token(qmq={"publish": ["/topic/a"] * 101}), "no list of up to 100"),
    "a bad pattern": (token(qmq={"publish": ["topic"]}), "is none of"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tokens(name):
    said, told = BAD[name]
    detail = refusal(said)
    assert told in detail
    assert SECRET not in detail
    assert not said or said not in detail


def test_an_expired_token_is_a_matter_of_its_own():
    assert "60 seconds ago" in refusal(token(lasts=-60), code="token-expired")
    assert TOKENS.verify(token(lasts=-2), time.time()).name == "alice"  # clocks differ
    assert "aud" in refusal(token(lasts=-60, aud="them"))  # what is bad besides is bad


def test_issuer_and_audience():
    tokens = Tokens(ALL, issuer="us", audience="qmq")
    for audience in ("qmq", ["a", "qmq"]):
        assert tokens.verify(token(iss="us", aud=audience), time.time()).name == "alice"
    for claims in ({}, {"iss": "them"}, {"iss": "USA"}):
        assert "issuer" in refusal(token(aud="qmq", **claims), tokens)
    for claims in ({}, {"aud": "them"}, {"aud": []}, {"aud": {"qmq": 1}}, {"aud": "qmq2"}):
        assert "somebody else" in refusal(token(iss="us", **claims), tokens)


def test_algorithms_may_be_fewer():
    tokens = Tokens(ALL, algorithms=("ES256",))
    assert tokens.verify(token(algorithm="ES256"), time.time()).name == "alice"
    assert "no key for its algorithm (HS256)" in refusal(GOOD, tokens)


def test_a_kid_chooses_the_key():
    tokens = Tokens(keys.read(json.dumps({"keys": [jwk("HS256", "new"), jwk("ES256", "old")]}).encode()))
    assert tokens.verify(token(headers={"kid": "new"}), time.time()).name == "alice"
    assert tokens.verify(GOOD, time.time()).name == "alice"  # one that names none is tried with all
    assert "no key for its algorithm (HS256) and kid" in refusal(token(headers={"kid": "old"}), tokens)


def test_what_a_reload_takes_away():
    principal = TOKENS.verify(token(iss="us"), time.time())
    assert not Tokens(ALL[1:]).still_believes(principal)
    assert not Tokens(ALL, algorithms=("RS256",)).still_believes(principal)
    assert not Tokens(ALL, issuer="them").still_believes(principal)
    assert not Tokens(ALL, audience="them").still_believes(principal)
    assert Tokens(ALL[:1], issuer="us").still_believes(principal)


def parts(text):
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


def changed(place, character):
    return GOOD[:place] + character + GOOD[place + 1 :]


SAID = st.text(max_size=20) | st.sampled_from(['{"alg":"HS256"}', '{"alg":"none"}', '{"alg":{}}', "[]", "1", "{}"])


@given(
    st.text()
    | st.lists(st.text(alphabet="AZaz09-_=.", max_size=40), min_size=3, max_size=3).map(".".join)
    | st.lists(SAID.map(parts), min_size=3, max_size=3).map(".".join)
    | st.integers(0, len(GOOD) - 1).map(lambda end: GOOD[:end])
    | st.tuples(st.integers(0, len(GOOD) - 2), st.characters()).map(
        lambda at: GOOD[: at[0]] + at[1] + GOOD[at[0] + 1 :]
    )
)
def test_any_text_is_a_bad_token(text):
    if text == GOOD:
        return
    refusal(text)


@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "nbf", "iat", "iss", "aud", "qmq", "jti"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
        | st.lists(st.text(), max_size=3)
        | st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=2),
    )
)
def test_whatever_a_well_signed_token_says_it_is_good_or_bad(claims):
    said = jwt.PyJWS().encode(json.dumps(claims).encode(), SECRET, "HS256")
    try:
        assert TOKENS.verify(said, time.time()).name == claims["sub"]
    except QmqError as error:
        assert error.code.name in ("bad-token", "token-expired")
