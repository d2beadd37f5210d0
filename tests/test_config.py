"""The one definition of the configuration: where values come from, which win, and what is refused."""

import dataclasses

import pytest

from qmq import config
from qmq.config import OPTIONS, Config, load, make, parse_listen, unknown_variables
from qmq.errors import ConfigError
from qmq.sections import Limits, Tls, Tokens


@pytest.fixture
def toml(tmp_path):
    """Writes a TOML file and returns its path."""

    def toml(text):
        path = tmp_path / "qmq.toml"
        path.write_text(f"{text}\n", "utf-8")
        return str(path)

    return toml


def test_every_field_is_an_option_with_a_name_in_each_place():
    names = {item.name for item in dataclasses.fields(Config)} - {"limits", "tls", "tokens", "source"}
    names |= {f"limits.{item.name}" for item in dataclasses.fields(Limits)}
    names |= {f"tls.{item.name}" for item in dataclasses.fields(Tls)}
    names |= {f"tokens.{item.name}" for item in dataclasses.fields(Tokens)}
    assert set(OPTIONS) == names
    option = OPTIONS["limits.http_header_bytes"]
    assert (option.flag, option.variable) == ("--limits-http-header-bytes", "QMQ_LIMITS_HTTP_HEADER_BYTES")
    assert len({option.flag for option in OPTIONS.values()}) == len(OPTIONS)
    assert len({option.variable for option in OPTIONS.values()}) == len(OPTIONS)
    assert all(option.help for option in OPTIONS.values())


def test_defaults_are_right_by_themselves():
    assert load(environ={}) == Config() == make({})
    assert Config().listen == ("http://127.0.0.1:8000", "stomp://127.0.0.1:61613")


def test_flag_before_environment_before_file_before_default(toml):
    file = toml('name = "file"\n[limits]\nbody = 1\nheaders = 1\n')
    environ = {"QMQ_NAME": "env", "QMQ_LIMITS_BODY": "2"}
    assert load({}, None, {}).limits.body == 1 << 20
    assert load({}, file, {}).name == "file"
    assert load({}, file, environ).name == "env"
    found = load({"name": "flag"}, file, environ)
    assert (found.name, found.limits.body, found.limits.headers, found.limits.subscriptions) == ("flag", 2, 1, 1000)


def test_the_file_may_be_named_by_the_environment(toml):
    assert load({}, None, {"QMQ_CONFIG": toml('name = "x"')}).name == "x"
    other = toml('name = "y"')
    assert load({}, other, {"QMQ_CONFIG": "/nowhere"}).name == "y"


def test_values_of_all_kinds(toml):
    text = 'listen = ["http://127.0.0.1:1", "http://[::1]:2"]\ndemo = true\ndrain = 3\n[limits]\nping_seconds = 1.5\n'
    environ = {
        "QMQ_LISTEN": "http://127.0.0.1:1, http://[::1]:2,", "QMQ_DEMO": "Yes", "QMQ_DRAIN": "3",
        "QMQ_LIMITS_PING_SECONDS": "1.5",
    }  # fmt: skip
    for found in (load({}, toml(text), {}), load({}, None, environ)):
        assert found.listen == ("http://127.0.0.1:1", "http://[::1]:2")
        assert (found.demo, found.drain, found.limits.ping_seconds) == (True, 3.0, 1.5)
    environ = {"QMQ_TLS_CERTIFICATE": "b"}
    found = load({"tls.client_ca": "c"}, toml('[tls]\ncertificate = "a"\nclient_certificates = "optional"\n'), environ)
    assert found.tls == Tls("b", "", "c", "optional")
    for text, value in {"true": True, "1": True, "no": False, "FALSE": False, "0": False}.items():
        assert load({}, None, {"QMQ_DEMO": text}).demo is value


# name: (the file, what the error says, besides the file's name)
FILES = {
    "unknown key": ("lisen = []", "there is no option 'lisen'"),
    "unknown key of a section": ("[limits]\nbodies = 1", "there is no option 'limits.bodies'"),
    "unknown section": ("[limit]\nbody = 1", "there is no option 'limit'"),
    "section as a key": ("limits = 3", "limits is a section, write [limits]"),
    "key as a section": ("[demo]\nx = 1", "demo must be a boolean, not {'x': 1}"),
    "text for a number": ('[limits]\nbody = "1"', "limits.body must be a whole number, not '1'"),
    "fraction for a whole number": ("[limits]\nbody = 1.5", "limits.body must be a whole number, not 1.5"),
    "boolean for a whole number": ("[limits]\nbody = true", "limits.body must be a whole number, not True"),
    "boolean for a number": ("drain = true", "drain must be a number, not True"),
    "number for a boolean": ("demo = 1", "demo must be a boolean, not 1"),
    "text for a list": ('listen = "http://127.0.0.1:1"', "listen must be a list of strings, not 'http://127.0.0.1:1'"),
    "list of numbers": ("listen = [1]", "listen must be a list of strings, not [1]"),
    "number for text": ("name = 1", "name must be a string, not 1"),
    "no TOML": ("name = ", "is not valid TOML"),
    "table for a list of tables": ('[queues]\nmatch = "a"', "queues must be a list of tables, not {'match': 'a'}"),
    "list of texts for tables": ('bindings = ["a"]', "bindings must be a list of tables, not ['a']"),
    "text for tables": ('exchanges = "[]"', "exchanges must be a list of tables, not '[]'"),
    "a number without end": ("demo = 1" + "0" * 5000, "is not valid TOML"),
    "too deep": ("demo = " + "[" * 5000, "is not valid TOML"),
    "key twice": ('name = "a"\nname = "b"', "is not valid TOML"),
}


@pytest.mark.parametrize("name", FILES)
def test_wrong_files(toml, name):
    text, told = FILES[name]
    path = toml(text)
    with pytest.raises(ConfigError) as error:
        load({}, path, {})
    assert told in str(error.value)
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    files = {tmp_path / "none": "No such file", tmp_path: "Is a directory", binary: "is not valid TOML"}
    for path, told in files.items():
        with pytest.raises(ConfigError, match=told):
            load({}, str(path), {})


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"QMQ_LIMITS_BODY": "many"}, "environment: QMQ_LIMITS_BODY: limits.body must be a whole number, not 'many'"),
        ({"QMQ_DRAIN": ""}, "environment: QMQ_DRAIN: drain must be a number, not ''"),
        ({"QMQ_QUEUES": "{}"}, "environment: QMQ_QUEUES: queues must be a list of tables, not {}"),
        ({"QMQ_QUEUES": "[1]"}, "environment: QMQ_QUEUES: queues must be a list of tables, not [1]"),
        ({"QMQ_DEMO": "perhaps"}, "environment: QMQ_DEMO: demo must be true or false, not 'perhaps'"),
    ],
)
def test_wrong_environments(environ, told):
    with pytest.raises(ConfigError) as error:
        load({}, None, {"PATH": "x", "QMX": "y", **environ})
    assert str(error.value) == told


# What Kubernetes gives to each container near a service called `qmq`, and what container links give.
SERVICE = {
    "QMQ_SERVICE_HOST": "10.96.0.17",
    "QMQ_SERVICE_PORT": "8000",
    "QMQ_SERVICE_PORT_STOMP": "61613",
    "QMQ_PORT": "tcp://10.96.0.17:8000",
    "QMQ_PORT_8000_TCP": "tcp://10.96.0.17:8000",
    "QMQ_PORT_8000_TCP_PROTO": "tcp",
    "QMQ_PORT_8000_TCP_PORT": "8000",
    "QMQ_PORT_8000_TCP_ADDR": "10.96.0.17",
    "QMQ_METRICS_SERVICE_HOST": "10.96.0.18",
    "QMQ_METRICS_PORT_9000_UDP": "udp://10.96.0.18:9000",
    "QMQ_NAME": "/web/qmq",
    "QMQ_ENV_LANG": "C",
}


def test_variables_of_a_service_called_qmq_mean_nothing():
    assert load({}, None, SERVICE) == load({}, None, {})
    assert unknown_variables(SERVICE) == []


def test_variables_that_are_no_option_are_told():
    environ = {"QMQ_LISEN": "x", "QMQ_": "y", "PATH": "z", "QMQ_URL": "u", "QMQ_LISTEN": "http://127.0.0.1:1"}
    assert load({}, None, environ).listen == ("http://127.0.0.1:1",)
    assert unknown_variables(environ) == [
        "environment: there is no option 'QMQ_'; is it QMQ_CA?",
        "environment: there is no option 'QMQ_LISEN'; is it QMQ_LISTEN?",
    ]
    assert unknown_variables({"QMQ_XYZZY_PLUGH": "x"}) == ["environment: there is no option 'QMQ_XYZZY_PLUGH'"]


VALUES = {
    "unknown": ({"lisen": 1}, "there is no option 'lisen'"),
    "too small": ({"limits.body": 0}, "limits.body must be at least 1, not 0"),
    "negative time": ({"drain": -1.0}, "drain must be at least 0, not -1"),
    "no time": ({"limits.ping_seconds": 0.0}, "limits.ping_seconds must be at least 0.01, not 0"),
    "bad name": ({"name": "a.b"}, "name must be 1 to 64 letters, digits or -, not 'a.b'"),
    "name with a line end": ({"name": "a\n"}, "name must be"),
    "long name": ({"name": "a" * 65}, "name must be"),
    "no name": ({"name": ""}, "name must be"),
    "level": ({"log_level": "loud"}, "log_level must be debug, info, warning or error, not 'loud'"),
    "nothing to listen on": ({"listen": ()}, "listen needs at least one URL"),
    "another scheme": ({"listen": ("ftp://127.0.0.1:1",)}, "listen ftp://127.0.0.1:1: the scheme must be one of http"),
    "TLS without certificate": (
        {"listen": ("https://127.0.0.1:1",)},
        "https://127.0.0.1:1: https needs tls.certificate",
    ),
    "STOMP on TLS without": (
        {"listen": ("stomps://127.0.0.1:1",)},
        "stomps://127.0.0.1:1: stomps needs tls.certificate",
    ),
    "key alone": ({"tls.key": "k"}, "tls.key is of no use without tls.certificate"),
    "neither no nor yes": (
        {"tls.client_certificates": "maybe"},
        "tls.client_certificates must be no, optional or required, not 'maybe'",
    ),
    "wanted, and believed on no authority": (
        {"tls.client_certificates": "required"},
        "tls.client_certificates = required needs tls.client_ca",
    ),
    "an authority for nothing": ({"tls.client_ca": "x"}, "tls.client_ca is of no use while"),
    "TLS open to all": (
        {"listen": ("https://0.0.0.0:80",), "tls.certificate": "c"},
        "set allow_anonymous if that is wanted",
    ),
    "no scheme": ({"listen": ("127.0.0.1:1",)}, "the scheme must be one of"),
    "no port": ({"listen": ("http://127.0.0.1",)}, "write it as http://HOST:PORT"),
    "port too large": ({"listen": ("http://127.0.0.1:65536",)}, "write it as http://HOST:PORT"),
    "port that is none": ({"listen": ("http://127.0.0.1:http",)}, "write it as http://HOST:PORT"),
    "no host": ({"listen": ("http://:80",)}, "write it as http://HOST:PORT"),
    "path": ({"listen": ("http://127.0.0.1:80/x",)}, "write it as http://HOST:PORT"),
    "query": ({"listen": ("http://127.0.0.1:80?x",)}, "write it as http://HOST:PORT"),
    "password": ({"listen": ("http://a:b@127.0.0.1:80",)}, "write it as http://HOST:PORT"),
    "open to all": ({"listen": ("http://0.0.0.0:80",)}, "set allow_anonymous if that is wanted"),
    "open to all, in IPv6": ({"listen": ("http://[::]:80",)}, "set allow_anonymous if that is wanted"),
    "a name that only looks like loopback": ({"listen": ("http://127.example.com:80",)}, "set allow_anonymous"),
    "the second is wrong": ({"listen": ("http://127.0.0.1:1", "x")}, "listen x: the scheme"),
    "an address that does not end": ({"listen": ("http://[::1:80",)}, "listen http://[::1:80: "),
    "time that is no number": ({"limits.connect_seconds": float("nan")}, "limits.connect_seconds must be"),
    "no folder": ({"static": "/nothing/there"}, "static: there is no folder /nothing/there"),
    "an origin without a scheme": ({"allowed_origins": ("*.example.org",)}, "'*.example.org' can match nothing; write"),
    "an origin with a path": ({"allowed_origins": ("https://a.example/",)}, "'https://a.example/' can match nothing"),
    "endless time": ({"drain": float("inf")}, "drain must be"),
}


@pytest.mark.parametrize("name", VALUES)
def test_wrong_values(name):
    values, told = VALUES[name]
    with pytest.raises(ConfigError) as error:
        make(values)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["queues", "exchanges", "bindings"])
def test_tables_come_from_toml_or_as_json(toml, name):
    text = f'[[{name}]]\na = "x"\n[[{name}]]\nb = {{c = 1}}\n'
    tables, as_json = ({"a": "x"}, {"b": {"c": 1}}), '[{"a": "x"}, {"b": {"c": 1}}]'
    assert getattr(load({}, toml(text), {}), name) == tables
    assert getattr(load({}, toml(f"{name} = [{{a = 'x'}}, {{b = {{c = 1}}}}]"), {}), name) == tables
    assert getattr(load({}, toml(text), {f"QMQ_{name.upper()}": "[]"}), name) == ()
    assert getattr(load({}, None, {f"QMQ_{name.upper()}": as_json}), name) == tables
    assert OPTIONS[name].parse(as_json) == tables
    assert getattr(load({}, None, {}), name) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[{}",
        "match",
        '[{"a": 1},]',
        '["\\ud800"]',
        '[{"a": "\\ud800"}]',
        "[" * 100_000,
        "1" * 5000,
        "{'a': 1}",
    ],
)
def test_json_that_is_none(text):
    for name in ("queues", "exchanges", "bindings"):
        with pytest.raises(ConfigError) as error:
            OPTIONS[name].parse(text)
        assert str(error.value).startswith(f"{name} must be a JSON array of objects: ")
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 300


def test_values_of_the_wrong_type_are_refused_when_embedded_too():
    for values in ({"limits.body": "1"}, {"demo": "no"}, {"listen": "http://127.0.0.1:1"}):
        with pytest.raises(ConfigError):
            make(values)


def test_loopback_needs_no_leave():
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "[::1]"):
        make({"listen": (f"http://{host}:0",)})
    make({"listen": ("http://0.0.0.0:0", "http://example.com:0"), "allow_anonymous": True})


def test_beyond_loopback_somebody_must_be_known():
    user = ({"name": "a", "password": "x"},)
    make({"listen": ("http://0.0.0.0:0",), "users": user})
    make({"listen": ("http://0.0.0.0:0",), "tokens.keys": ("file",)})
    tls = {"tls.certificate": "c", "tls.client_ca": "a", "tls.client_certificates": "required"}
    make({"listen": ("https://0.0.0.0:0", "http://127.0.0.1:0"), **tls})
    for listen, more in (
        ("https://0.0.0.0:0", {**tls, "tls.client_certificates": "optional"}),
        ("http://0.0.0.0:0", tls),
        ("http://0.0.0.0:0", {"rules": ({"allow": "publish", "on": "#"},)}),
    ):
        with pytest.raises(ConfigError, match="anybody could connect"):
            make({"listen": (listen,), **more})


def test_parse_listen():
    assert parse_listen("http://[::1]:80") == ("http", "::1", 80)
    assert parse_listen("http://127.0.0.1:0") == ("http", "127.0.0.1", 0)
    for scheme in ("https", "stomp", "stomps"):
        assert parse_listen(f"{scheme}://127.0.0.1:1") == (scheme, "127.0.0.1", 1)


def test_the_default_name_is_one_that_is_allowed(monkeypatch):
    for host, name in {"web1.example.com": "web1-example-com", "ÄÖÜ": "qmq", "x" * 100: "x" * 32, "": "qmq"}.items():
        monkeypatch.setattr(config.socket, "gethostname", lambda host=host: host)
        assert Config().name == name


def test_the_table_of_the_documentation_names_every_option():
    table = config.as_markdown()
    for option in OPTIONS.values():
        assert f"| `{option.key}` | `{option.flag}` | `{option.variable}` |" in table
    assert len(table.splitlines()) == len(OPTIONS) + 2
    assert len({line.count("|") for line in table.splitlines()}) == 1


@pytest.mark.parametrize("text", ["", "\n", "\t\n \n"])
def test_a_file_that_is_empty_is_refused(tmp_path, text):
    file = tmp_path / "qmq.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"qmq\.toml is empty; if nothing is to be said in it, write a comment"):
        load({}, str(file), {})
    file.write_text("# nothing\n")
    assert load({}, str(file), {}) == Config()


def test_a_file_that_ends_within_a_line_is_refused(tmp_path):
    file, whole = tmp_path / "qmq.toml", 'name = "a"\ndrain = 10\n[limits]\nbody = 1000\n'
    for at in range(len(whole)):
        file.write_text(whole[:at])
        try:
            load({}, str(file), {})
        except ConfigError:
            continue
        assert whole[at - 1] == "\n"  # what is cut between two lines only a reload notices
    file.write_text(whole)
    assert load({}, str(file), {}).source == whole
