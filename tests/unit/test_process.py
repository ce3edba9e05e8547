"""How a process learns that it is to stop."""

import signal
import subprocess
import sys

import pytest

# Spends nearly all of its time inside `wait`, where a handler that takes the event's lock hangs.
PROGRAM = """
from dicom_router.process import stop_signal

stopping = stop_signal()
print("ready", flush=True)
while not stopping.wait(0):
    pass
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_in_the_middle_of_waiting_for_it_is_heard(
    number: signal.Signals,
) -> None:
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
                process.send_signal(number)
                told, _ = process.communicate(timeout=20)
            finally:
                process.kill()
        assert told == "stopped\n"
        assert process.returncode == 0


AT_REST = """
import gc
import sys
import threading

from dicom_router.process import serve


class Service:
    def start(self):
        self.made = [[] for _ in range(100_000)]

    def stop(self, timeout):
        sys.exit(0 if gc.get_freeze_count() > 100_000 else 1)


stopping = threading.Event()
stopping.set()
serve("service", Service(), stopping)
"""


def test_the_garbage_collector_leaves_alone_what_is_there_once_a_service_runs() -> None:
    done = subprocess.run([sys.executable, "-c", AT_REST], check=False, stdout=subprocess.PIPE)
    assert done.returncode == 0
