"""Processes find each other, or say which are missing; here they are threads."""

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from slic.errors import ProcessError
from slic.pretraining import meeting
from slic.pretraining.launch import Launch
from slic.pretraining.meeting import Meeting


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def met(rank: int, count: int, port: int) -> tuple[Meeting, dict[int, socket.socket]]:
    there = Meeting(Launch(rank, count, "localhost", port), seconds=60.0)
    there.wait_for_all("start")
    return there, there.connect()


def test_all_meet_and_are_connected_to_process_0(port: int) -> None:
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda rank: met(rank, 3, port), range(3)))
    assert [sorted(links) for _, links in together] == [[1, 2], [0], [0]]
    assert all(
        there.hosts == dict.fromkeys(range(3), socket.gethostname()) for there, _ in together
    )
    first = together[0][1]
    for rank in (1, 2):
        together[rank][1][0].sendall(b"from %d" % rank)
        assert first[rank].recv(10) == b"from %d" % rank
    for _, links in together:
        for link in links.values():
            link.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "PATIENCE_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_missing_processes_are_named_and_waiting_ends(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "slic"):
        there = Meeting(Launch(0, 12, "localhost", port, alone="unset RANK"), seconds=0.3)
        with pytest.raises(ProcessError) as caught:
            there.wait_for_all("start")
    names = "processes 1, 2, 3, 4, 5, 6, 7, 8 and 3 more of 12 are missing"
    assert caplog.messages == [
        f"waiting for the other processes at localhost:{port}: {names}. To train with one process, "
        "run first: unset RANK"
    ]
    assert str(caught.value).startswith(f"localhost:{port}: {names} after 0 s. Start all 12 proc")


@pytest.mark.usefixtures("impatient")
def test_process_0_that_does_not_answer_is_named(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, "slic"),
        pytest.raises(ProcessError, match=r"process 0 does not answer \(Connection refused\) aft"),
    ):
        Meeting(Launch(1, 2, "127.0.0.1", port), seconds=0.3)
    assert len(caplog.messages) == 1
    assert "process 0 does not answer (Connection refused)" in caplog.messages[0]


def test_a_port_in_use_is_named_at_once(port: int) -> None:
    said = r"this port is in use\. Set MASTER_PORT to a free one"
    with (
        closing(socket.create_server(("127.0.0.1", port))),
        pytest.raises(ProcessError, match=said),
    ):
        Meeting(Launch(0, 2, "127.0.0.1", port))


def test_another_program_at_the_port_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(meeting, "_MARGIN_SECONDS", 0.2)
    said = "another program answers there, not process 0"
    with (
        closing(socket.create_server(("127.0.0.1", port))),
        pytest.raises(ProcessError, match=said),
    ):
        Meeting(Launch(1, 2, "127.0.0.1", port))


def test_a_stranger_without_the_token_is_turned_away() -> None:
    token = "a" * 32

    def call(said: bytes) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 30)
        link.sendall(said)
        return link

    with meeting._listen() as listener, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(meeting._accept, listener, token, 2)
        with closing(call(b"GET / HTTP/1.1\r\nHost: somewhere-else.example\r\n\r\n")) as stranger:
            with closing(call(f"{token} {1:8d}".encode())):
                links = accepted.result(60)
            assert [*links] == [1]
            with suppress(ConnectionResetError):
                assert stranger.recv(1) == b""
        for link in links.values():
            link.close()


def test_ranks_in_words() -> None:
    assert meeting._named([2], 4) == "process 2 of 4 is"
    assert meeting._named([1, 3], 4) == "processes 1 and 3 of 4 are"
    assert meeting._named([1, 2, 3], 4) == "processes 1, 2 and 3 of 4 are"
