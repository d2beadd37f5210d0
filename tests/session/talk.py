"""What STOMP clients of a `World` say, in few words."""

CONNECT = {"accept-version": "1.2", "host": "x", "refusals": "true"}


def send(client, destination, body="x", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    client.frame("SEND", {"destination": destination, **fields}, body.encode())


def subscribe(client, destination, name="0", **headers):
    """Subscribes with a receipt; returns its headers, and what came besides."""
    fields = {header.replace("_", "-"): value for header, value in headers.items()}
    client.frame("SUBSCRIBE", {"id": name, "destination": destination, "receipt": "s", **fields})
    *_, (command, told, _) = client.got()
    assert (command, told.pop("receipt-id")) == ("RECEIPT", "s"), told
    return told


def heard(client):
    """Destination and body of the messages since the last time."""
    return [(headers["destination"], body.decode()) for command, headers, body in client.got() if command == "MESSAGE"]


def refusal(client, code):
    """What the ERROR says, once it is certain that it has the code."""
    *_, (_, headers, body) = client.got()
    assert headers["code"] == code, body
    return body.decode()


def refusing(world):
    """A client that has asked for refusals."""
    client = world.client(connect=False)
    client.frame("CONNECT", CONNECT)
    client.got()
    return client


def refused(client):
    """The code of the one frame that came, which is an ERROR that is not the end."""
    [(command, headers, _)] = client.got()
    assert (command, headers["fatal"]) == ("ERROR", "false")
    assert client.session.ending is None
    return headers["code"]
