"""A process that ends too early is noticed and named; one that is done is not."""

import os
import socket
from collections.abc import Iterator

import pytest

from slic.errors import ProcessError
from slic.pretraining import peers as module
from slic.pretraining.launch import Launch
from slic.pretraining.peers import Peers, joined_processes
from slic.signals import StopRequested

Pair = tuple[Peers, Peers]


def linked() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


@pytest.fixture
def three() -> Iterator[list[Peers]]:
    """Return three processes of a run; in truth this one."""
    to_1, to_2 = linked(), linked()
    links = [{1: to_1[0], 2: to_2[0]}, {0: to_1[1]}, {0: to_2[1]}]
    hosts = {0: "node1", 1: "node2", 2: "node3"}
    made = [Peers(Launch(r, 3, "node1", 1), links[r], hosts) for r in range(3)]
    yield made
    for peers in made:
        peers.leave()
        peers.close()


def test_a_machine_that_vanishes_is_noticed_within_a_minute(three: list[Peers]) -> None:
    """A host that vanishes for real: tests/faults/test_processes.py, in the long campaign."""
    if not hasattr(socket, "TCP_KEEPIDLE"):
        pytest.skip("this system has other names for it")
    for link in (link for peers in three for link in peers._links.values()):
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, count = (
            link.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + interval * count + module.NOTICE_SECONDS < 50


def cut(peers: Peers) -> None:
    """Do what the system does when a process dies."""
    peers.leave()  # first: a dead process does not notice that it lost the others
    for link in peers._links.values():
        link.shutdown(socket.SHUT_RDWR)


def test_all_learn_which_process_is_lost(three: list[Peers]) -> None:
    cut(three[2])
    for peers in three[:2]:
        assert peers.is_lost(60.0)
        peers.leave()
        assert str(peers.error()).startswith(
            "process 2 of 3 (on node3) has ended or cannot be reached, and training needs all"
        )


def test_the_end_of_process_0_is_noticed_by_all(three: list[Peers]) -> None:
    cut(three[0])
    for peers in three[1:]:
        assert peers.is_lost(60.0)
        peers.leave()
        assert "process 0 of 3 (on node1)" in str(peers.error())


@pytest.mark.parametrize("end", [None, StopRequested])
def test_a_process_that_is_done_is_not_missed(
    three: list[Peers], end: type[Exception] | None
) -> None:
    try:
        with three[2].until_done():
            if end:
                raise end
    except StopRequested:
        pass
    cut(three[2])
    cut(three[1])  # it died
    assert three[0].is_lost(60.0)
    three[0].leave()
    assert three[0].lost == 1


def test_a_process_that_fails_is_missed(three: list[Peers]) -> None:
    with pytest.raises(ValueError, match="mine"), three[2].until_done():
        raise ValueError("mine")
    cut(three[2])
    assert three[0].is_lost(60.0)
    three[0].leave()


def test_a_process_that_waits_for_ever_is_ended(
    three: list[Peers], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(module, "NOTICE_SECONDS", 0.0)
    monkeypatch.setattr(os, "_exit", ended.append)
    cut(three[2])
    for thread in (three[0]._thread, three[1]._thread):
        thread.join(60)
    assert ended == [1, 1]
    printed = capsys.readouterr().err.split("\n\n")
    assert len(printed) == 2
    assert printed[0].startswith("\nslic: process 2 of 3 (on node3) has ended")


def test_an_error_of_a_collective_operation_names_the_process(three: list[Peers]) -> None:
    cut(three[1])
    with pytest.raises(ProcessError, match="process 1 of 3"), module._joined(three[0], None):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer")


def test_an_error_of_the_network_without_a_lost_process_is_one_line_too(
    three: list[Peers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOTICE_SECONDS", 0.0)
    text = r"lost each other \(\[gloo\] Timed out waiting 1800000ms\)"
    with pytest.raises(ProcessError, match=text), module._joined(three[2], None):
        raise RuntimeError("[gloo] Timed out waiting 1800000ms\nmore")


def test_other_errors_stay_what_they_are(
    three: list[Peers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NOTICE_SECONDS", 0.0)
    with pytest.raises(RuntimeError, match="shapes differ"), module._joined(three[0], None):
        raise RuntimeError("shapes differ")


def test_one_process_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined_processes() as is_main:
        assert is_main
