"""A signal asks once and then interrupts; every verb ends with one line and the code of shells."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slic.signals import (
    STOP_SIGNALS,
    Interrupted,
    StopRequested,
    exit_code,
    interrupt_at_signals,
    starting_processes,
    stop_at_ctrl_c,
)

Slic = Callable[..., Any]
NUMBERS = pytest.mark.parametrize("number", STOP_SIGNALS)


@NUMBERS
def test_the_first_signal_asks_the_second_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_at_ctrl_c() as stopping:
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
        with pytest.raises(KeyboardInterrupt) as caught:
            os.kill(os.getpid(), number)
    assert exit_code(caught.value) == 128 + number
    assert signal.getsignal(number) is before


@NUMBERS
def test_where_nothing_is_to_be_saved_the_first_signal_interrupts(number: signal.Signals) -> None:
    with stop_at_ctrl_c() as stopping:
        stopping.interrupt_from_now_on()
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), number)
        assert exit_code(caught.value) == 128 + number
        stopping.at_once = False
        os.kill(os.getpid(), number)
        assert stopping()
        with pytest.raises(Interrupted):
            stopping.interrupt_from_now_on()  # the signal came before


@NUMBERS
def test_a_stop_knows_its_signal(number: signal.Signals) -> None:
    def stop() -> None:
        with stop_at_ctrl_c():
            os.kill(os.getpid(), number)
            raise StopRequested

    with pytest.raises(StopRequested) as caught:
        stop()
    assert exit_code(caught.value) == 128 + number
    assert exit_code(KeyboardInterrupt()) == exit_code(StopRequested()) == 130


@NUMBERS
def test_a_signal_interrupts_and_one_that_is_ignored_does_not(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted), interrupt_at_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    signal.signal(number, signal.SIG_IGN)  # as nohup does
    try:
        with interrupt_at_signals(), stop_at_ctrl_c() as stopping:
            os.kill(os.getpid(), number)
            assert not stopping()
    finally:
        signal.signal(number, before)


def test_a_signal_whose_exception_is_lost_in_a_destructor_comes_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Slow:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            [None for _ in range(1000)]  # the handler raises here

    def work() -> None:
        with interrupt_at_signals():
            Slow()
            threading.Event().wait(60)

    with pytest.raises(Interrupted) as caught:
        work()
    assert caught.value.number == signal.SIGTERM
    assert capsys.readouterr().err == ""


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[bool] = []

    def work() -> None:
        with interrupt_at_signals(), stop_at_ctrl_c() as stopping:
            seen.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_verb_ends_with_one_line_and_leaves_no_half_file(
    slic: Slic, tmp_path: Path, wait_until: Callable[..., None], number: str, code: int
) -> None:
    out = tmp_path / "videos"
    running = slic("sample", out, "--train", "300", "--test", "0", "--workers", "1")
    wait_until(lambda: any(out.rglob("*.mp4")), running)
    running.signal_group(getattr(signal, number))
    ended = running.wait()
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1] == "slic: stopped. The same command continues."
    assert not list(out.rglob("*.tmp"))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="without signal masks")
def test_ctrl_c_waits_until_a_new_process_has_set_its_handler() -> None:
    """Started otherwise, it would print a traceback while it imports."""
    program = (
        "import sys; print('started', flush=True); sys.stdin.readline()\n"
        "from slic.signals import begin_child; import os\n"
        "begin_child(lambda *_: os._exit(7))\n"
    )
    with starting_processes():
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate("go on\n", timeout=60)
    assert (child.returncode, errors) == (7, "")


def test_a_signal_while_a_class_is_made_is_not_wrapped() -> None:
    """As when it comes while a module is imported; Python 3.11 raises a RuntimeError there."""

    class Signalled:
        def __set_name__(self, owner: type, name: str) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as interrupted, interrupt_at_signals():
        type("Made", (), {"part": Signalled()})
    assert exit_code(interrupted.value) == 143
