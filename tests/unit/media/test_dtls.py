"""Two DTLS machines of ours against one another, without a socket."""

from __future__ import annotations

from streamserver.media.dtls import Endpoint, Identity, State


def pair(*, client_prints: str = "", server_prints: str = "") -> tuple[Endpoint, Endpoint]:
    ours, theirs = Identity(), Identity()

    def prints(text: str) -> list[tuple[str, str]]:
        algorithm, _, value = text.partition(" ")
        return [(algorithm, value)]

    client = Endpoint(theirs, client=True, fingerprints=prints(client_prints or ours.fingerprint))
    server = Endpoint(ours, client=False, fingerprints=prints(server_prints or theirs.fingerprint))
    return client, server


def talk(client: Endpoint, server: Endpoint, begin: list[bytes]) -> int:
    """Carry datagrams to and fro until both are silent; returns how many there were."""
    to_server, to_client, carried = begin, list[bytes](), 0
    while to_server or to_client:
        carried += len(to_server) + len(to_client)
        assert carried < 100, "they never stop talking"
        replies = [answer for datagram in to_server for answer in server.receive(datagram)]
        to_server = [answer for datagram in to_client for answer in client.receive(datagram)]
        to_client = replies
    return carried


def test_both_ends_get_the_same_keys_crosswise() -> None:
    client, server = pair()
    assert server.start() == []
    talk(client, server, client.start())
    assert (client.state, server.state) == (State.CONNECTED, State.CONNECTED)
    assert client.keys is not None and server.keys is not None
    assert client.keys.send == server.keys.receive
    assert client.keys.receive == server.keys.send
    assert client.keys.send != client.keys.receive
    assert client.keys.tag == 16, "AES-GCM comes first"
    assert server._connection.get_protocol_version() in (0xFEFD, 0xFEFC), "DTLS 1.2 or 1.3"


def test_no_datagram_is_larger_than_the_smallest_path() -> None:
    client, server = pair()
    for datagram in client.start():
        assert all(len(answer) <= 1200 for answer in server.receive(datagram))


def test_another_certificate_than_the_one_offered_fails_on_either_side() -> None:
    stranger = Identity().fingerprint
    client, server = pair(server_prints=stranger)
    talk(client, server, client.start())
    assert (server.state, server.failure, server.keys) == (State.FAILED, "fingerprint", None)
    client, server = pair(client_prints=stranger)
    talk(client, server, client.start())
    assert (client.state, client.failure, client.keys) == (State.FAILED, "fingerprint", None)


def test_a_goodbye_is_understood() -> None:
    client, server = pair()
    talk(client, server, client.start())
    talk(client, server, client.close())
    assert (client.state, server.state) == (State.CLOSED, State.CLOSED)
    assert server.receive(b"\x17\xfe\xfd" + bytes(20)) == []


def test_noise_neither_answers_nor_ends_a_handshake() -> None:
    client, server = pair()
    for noise in (b"\x16", b"\x16\xfe\xfd" + bytes(30), bytes(range(20, 60)), b"\x3f" * 1500):
        server.receive(noise)
        assert server.state is State.HANDSHAKING
    talk(client, server, client.start())
    assert server.state is State.CONNECTED
    server.receive(b"\x17\xfe\xfd" + bytes(60))
    assert server.state is State.CONNECTED
