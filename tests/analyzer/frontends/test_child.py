"""A framework's process dies, hangs or is left behind without harm to ours."""

import gc
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from analyzer import pivot
from analyzer.core.errors import LoadError, RunError
from analyzer.core.types import Pivot
from analyzer.frontends import imported
from analyzer.frontends.child import client, memory
from analyzer.frontends.child.client import Child, ChildDied, environment
from analyzer.frontends.child.last_words import last_place, last_words
from cli import main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every model a child of its own, as users have it."""
    monkeypatch.setattr(client, "_warm", [])


@pytest.fixture
def network(models: Path, cold: None) -> Pivot:
    """A program in a child of its own."""
    assert cold is None
    return pivot.load(str(models / "two_ends.pt2"), trust_code=False)


def private(model: Pivot) -> Child:
    """Return the child behind a pivot."""
    native = model.run_native
    assert isinstance(native, imported.NativeModel)
    return native._child


FEEDS = {"left": np.ones((2, 3), np.float32), "right": np.ones((2, 3), np.float32)}


def test_crash_during_a_run_is_one_message(network: Pivot) -> None:
    """The signal is named, not the framework's dump; the next run says so again."""
    child = private(network)
    os.kill(child._process.pid, signal.SIGSEGV)

    with pytest.raises(RunError, match=r"its framework crashed \(SIGSEGV\)") as refusal:
        network.run_native(FEEDS)
    assert "\n" not in refusal.value.problem
    assert not child.folder.exists()
    with pytest.raises(RunError, match="while it ran a sample"):
        network.run_native(FEEDS)


def test_hang_ends_at_the_limit(network: Pivot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process is told from a slow one by time alone."""
    monkeypatch.setattr(imported, "RUN_SECONDS", 0.5)
    child = private(network)
    os.kill(child._process.pid, signal.SIGSTOP)

    with pytest.raises(RunError, match="did not answer within"):
        network.run_native(FEEDS)
    assert not child.alive


@pytest.mark.usefixtures("cold")
def test_hang_of_an_import_ends_at_the_limit(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file, what happened and the next step in one message, exit 2."""
    monkeypatch.setattr(imported, "LOAD_SECONDS", 0.1)
    path = str(models / "two_ends.pt2")

    assert main(["inspect", path]) == 2
    said = capsys.readouterr().err
    assert f"{path}: the torch import did not answer within 0 s" in said
    assert "next: " in said


@pytest.mark.usefixtures("cold")
def test_greedy_import_is_ended(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it held, what it may hold and the next step in one message, exit 2."""
    monkeypatch.setattr(memory, "ceiling", lambda: 50_000_000)
    known = set(client._living)
    path = str(models / "two_ends.pt2")

    assert main(["inspect", path]) == 2
    said = capsys.readouterr().err
    assert re.search(
        r"two_ends\.pt2: the torch import held \d+ MB, more than the 50 MB", said
    )
    assert "next: load it where there is more memory" in said
    assert not any(child.alive for child in set(client._living) - known)


def test_greedy_run_is_ended(network: Pivot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that takes too much ends the framework, and not the machine."""
    monkeypatch.setattr(memory, "ceiling", lambda: 50_000_000)

    with pytest.raises(
        RunError, match=r"its framework held .* while it ran a sample"
    ) as end:
        network.run_native(FEEDS)
    assert "more memory" in end.value.hint
    assert not private(network).alive


@pytest.mark.usefixtures("warm")
def test_missing_feed_is_named(models: Path) -> None:
    """The message says which input, and which there are."""
    network = pivot.load(str(models / "two_ends.pt2"), trust_code=False)

    with pytest.raises(RunError, match="takes an input right, which is not fed") as refusal:
        network.run_native({"left": FEEDS["left"]})
    assert refusal.value.hint == "feed left, right"


@pytest.mark.usefixtures("cold")
def test_child_and_folder_go_with_the_pivot(models: Path) -> None:
    """A long-lived caller does not gather processes."""
    model = pivot.load(str(models / "two_ends.pt2"), trust_code=False)
    child = private(model)
    process, folder = child._process, child.folder
    del model, child
    gc.collect()

    assert process.poll() is not None
    assert not folder.exists()


@pytest.mark.usefixtures("warm")
def test_models_of_a_warm_child_do_not_disturb_each_other(models: Path) -> None:
    """Each keeps its own feeds and results; one that is dropped leaves the others."""
    first = pivot.load(str(models / "two_ends.pt2"), trust_code=False)
    second = pivot.load(str(models / "two_ends.pt2"), trust_code=False)
    assert private(first) is private(second)
    del first
    gc.collect()

    assert len(second.run_native(FEEDS)) == 2


def test_both_sides_load_at_the_same_time(models: Path) -> None:
    """Two threads, two children, two frameworks."""
    names = ("two_ends.pt2", "network.tflite")
    with ThreadPoolExecutor() as threads:
        loads = [
            threads.submit(pivot.load, str(models / name), trust_code=False)
            for name in names
        ]
    assert [load.result().framework for load in loads] == ["torch", "tflite"]


SCRIPT = """
import sys, time
root, path, seconds = sys.argv[1:]
sys.path.append(root)
from analyzer import pivot
model = pivot.load(path, trust_code=False)
print(model.folder.parent, flush=True)
print(sorted({"torch", "tensorflow", "keras"} & set(sys.modules)), flush=True)
time.sleep(float(seconds))
"""


def script(models: Path, *, seconds: int) -> list[str]:
    """Return a command that loads a program, says where and what it imported, and stays."""
    path = str(models / "two_ends.pt2")
    return [sys.executable, "-c", SCRIPT, str(ROOT), path, str(seconds)]


def test_parent_imports_no_framework_and_leaves_nothing(
    models: Path, tmp_path: Path
) -> None:
    """From any folder, out of a clone that is not installed."""
    done = subprocess.run(
        script(models, seconds=0), cwd=tmp_path, capture_output=True, text=True, check=True
    )

    folder, frameworks = done.stdout.splitlines()
    assert frameworks == "[]"
    assert not Path(folder).exists()
    assert done.stderr == ""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_parent_leaves_no_folder(
    models: Path, tmp_path: Path, end: signal.Signals
) -> None:
    """Ctrl-C reaches the parent alone; its child goes after it, even if it was killed."""
    command = script(models, seconds=60)
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        assert folder.exists()
        parent.send_signal(end)
        parent.communicate()

    assert gone(folder, seconds=10)


def gone(folder: Path, *, seconds: float) -> bool:
    """Return whether a folder disappears in time."""
    deadline = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not folder.exists()


def test_last_words_skip_chatter(tmp_path: Path) -> None:
    """What frameworks say while all is well is no cause of death."""
    log = tmp_path / "log"
    log.write_text("Fatal: no such kernel\nINFO: delegate\nW1121 08:02 warning\n\n")

    assert last_words(log) == "Fatal: no such kernel"


CRASH = """
F1121 check failed: no such kernel
Fatal Python error: Segmentation fault

Current thread 0x0001 (most recent call first):
  File "/lib/tensorflow/python/eager/execute.py", line 53 in quick_execute
  File "/lib/tensorflow/python/ops/gen_nn_ops.py", line 1160 in conv2d
  File "/lib/analyzer/frontends/child/serve.py", line 140 in _run

Extension modules: numpy._core._multiarray_umath (total: 1)
"""


def test_crash_is_placed_at_its_operator(tmp_path: Path) -> None:
    """The innermost function that a framework names after an operator; its words apart."""
    log = tmp_path / "log"
    log.write_text(CRASH)

    assert last_place(log) == " in conv2d (gen_nn_ops.py)"
    assert last_words(log) == "F1121 check failed: no such kernel"


def test_child_that_hangs_tells_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An importer that sleeps is found asleep, in its own file."""
    (tmp_path / "sleeper.py").write_text(
        "import time\ndef load(path, trust_code):\n    time.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    request = {"path": "a.pb", "model": 1, "importer": "sleeper", "trust_code": False}

    with pytest.raises(ChildDied, match=r"within 8 s in load \(sleeper.py\)"):
        Child("tflite").ask(
            "load", seconds=8.0, settings={}, folder=str(tmp_path), **request
        )


def test_importer_that_dies_is_one_message(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash while a file is read says which file, and how it ended; exit 2."""
    monkeypatch.setattr(Child, "ask", _dying)

    assert main(["inspect", str(models / "two_ends.pt2")]) == 2
    with pytest.raises(LoadError, match=r"two_ends\.pt2: the torch import crashed"):
        pivot.load(str(models / "two_ends.pt2"), trust_code=False)


def _dying(child: Child, *_: object, **__: object) -> None:
    os.kill(child._process.pid, signal.SIGABRT)
    child._process.wait()
    child._exchange(b"{}\n", 5.0)


def test_killed_children_release_who_waits_for_them(models: Path) -> None:
    """An interrupt need not sit out a framework's import in another thread."""
    known = set(client._living)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(pivot.load, str(models / "two_ends.pt2"), trust_code=False)
        while not set(client._living) - known:
            time.sleep(0.01)
        folders = [child.folder for child in set(client._living) - known]
        client.kill_children()

        assert isinstance(loading.exception(timeout=30), LoadError)
    assert all(gone(folder, seconds=10) for folder in folders)


@pytest.mark.usefixtures("cold")
def test_dying_child_gets_no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process may still look alive: nobody has waited for it yet."""
    with client.WarmChildren() as children:
        first = children.child("torch")
        first.kill()
        with monkeypatch.context() as early:
            early.setattr(first._process, "poll", lambda: None)
            second = children.child("torch")

        assert second is not first


def test_threads_of_torch_wait_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Awake, they take the cores that whoever they wait for needs: 100 times as long."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")

    assert environment("torch")["OMP_WAIT_POLICY"] == "PASSIVE"
