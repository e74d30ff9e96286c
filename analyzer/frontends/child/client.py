"""The end of the pipe that pivotfix holds: start a child, ask it, outlive it."""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

import analyzer
from analyzer.frontends.child import memory
from analyzer.frontends.child.last_words import TELL, last_place, last_words
from analyzer.frontends.child.wire import error_from_json

ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "tensorflow": {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "KERAS_BACKEND": "tensorflow",
    },
    "tflite": {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    "torch": {
        "CUDA_VISIBLE_DEVICES": "",
        "TORCH_LOGS": "-all",
        "OMP_WAIT_POLICY": "PASSIVE",
    },
    "factory": {
        "CUDA_VISIBLE_DEVICES": "",
        "TORCH_LOGS": "-all",
        "OMP_WAIT_POLICY": "PASSIVE",
        "JAX_PLATFORMS": "cpu",
        "JAX2ONNX_ENABLE_STACKTRACE_METADATA": "1",
        "JAX2ONNX_STACKTRACE_DETAIL": "full",
    },
}
"""Settings each family needs before its import; they are the child's alone.

torch's threads wait for each other awake unless told otherwise: where others use the cores
too, MobileNetV2 takes 7 s a sample like that, and 0.04 s asleep."""

GRACE_SECONDS = 5.0
"""A child that was killed is gone at once; this only bounds the wait for the kernel."""


WATCHED_EVERY = 0.25
"""Seconds between two looks at what a child holds: a framework fills some 200 MB in them,
and a look takes 20 microseconds."""


TELLING_SECONDS = 0.2
"""What a child that hangs gets to say where; it takes a millisecond, if it can at all."""


class ChildDied(Exception):  # noqa: N818  # an event of the child, not an error of ours
    """The child is gone, or was ended because it did not answer or held too much.

    Args:
        surprise: What happened, as the rest of a sentence about the child.
        hint: The next step, where it follows from what happened.
    """

    def __init__(self, surprise: str, *, hint: str = "") -> None:
        super().__init__(surprise)
        self.hint = hint


_living: WeakSet["Child"] = WeakSet()
"""Every child that may still run: an interrupt must reach those other threads wait for."""


def kill_children() -> None:
    """Kill every child; whoever waits for one learns of it, and removes its folder."""
    for child in tuple(_living):
        child.kill()


class Child:
    """One framework in one process, asked one thing at a time.

    Attributes:
        family: ``tensorflow``, ``tflite``, ``torch`` or ``factory``.
        folder: A private folder for what passes between us; gone with the child.
    """

    def __init__(self, family: str) -> None:
        self.family = family
        self.folder = Path(tempfile.mkdtemp(prefix="pivotfix-"))
        self._lock = threading.Lock()
        self._forgotten: deque[int] = deque()
        self._models = 0
        self._killed = False
        asked, self._asking = os.pipe()
        self._answers, answering = os.pipe()
        self._process = _spawn(family, self.folder, asked, answering)
        os.close(asked)
        os.close(answering)
        ends = (self._asking, self._answers)
        self._end = weakref.finalize(self, _end, self._process, self.folder, ends)
        _living.add(self)

    @property
    def alive(self) -> bool:
        """Whether it still answers; one that is dying may not have been seen to yet."""
        return self._end.alive and not self._killed and self._process.poll() is None

    def new_model(self) -> int:
        """Return a number that no other model of this child has."""
        with self._lock:
            self._models += 1
            return self._models

    def forget(self, model: int) -> None:
        """Let a model go with the next request; safe at any moment, also in a finalizer."""
        self._forgotten.append(model)

    def ask(self, call: str, *, seconds: float, **arguments: Any) -> Mapping[str, Any]:
        """Return the child's answer.

        Args:
            call: ``load``, ``remake``, ``run``, ``values`` or ``export``.
            seconds: How long to wait before it counts as hung.
            arguments: What the call takes.

        Raises:
            PivotfixError: The child says so.
            ChildDied: It crashed, did not answer in time, or held more memory than
                one framework may (`memory.ceiling`).
        """
        with self._lock:
            request = {"call": call, "forget": self._taken(), **arguments}
            answer = self._exchange(json.dumps(request).encode() + b"\n", seconds)
        if "error" in answer:
            raise error_from_json(answer["error"])
        return answer

    def kill(self) -> None:
        """End the child's processes, and nothing else."""
        self._killed = True
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the child and remove its folder."""
        self._end()

    def _taken(self) -> list[int]:
        return [self._forgotten.popleft() for _ in range(len(self._forgotten))]

    def _exchange(self, request: bytes, seconds: float) -> dict[str, Any]:
        try:
            os.write(self._asking, request)
            line = self._line(seconds)
        except BrokenPipeError as surprise:
            raise ChildDied(self._epitaph()) from surprise
        except KeyboardInterrupt:
            self.close()  # its answer would be taken for the next one's
            raise
        return json.loads(line)  # type: ignore[no-any-return]  # a line of ours

    def _line(self, seconds: float) -> bytes:
        """Return the next whole line; meanwhile the child's memory is watched."""
        line = b""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._answers, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if waiting.select(min(WATCHED_EVERY, seconds)):
                    line += self._piece()
                elif time.monotonic() > deadline:
                    raise ChildDied(f"did not answer within {seconds:.0f} s{self._place()}")
                self._refuse_greed()
        return line

    def _piece(self) -> bytes:
        piece = os.read(self._answers, 1 << 16)
        if not piece:
            raise ChildDied(self._epitaph())
        return piece

    def _place(self) -> str:
        """End a child that still lives, and return where it was."""
        self._process.send_signal(TELL)
        time.sleep(TELLING_SECONDS)
        place = last_place(self.folder / "log")
        self.close()
        return place

    def _refuse_greed(self) -> None:
        held, most = memory.resident(self._process.pid), memory.ceiling()
        if held <= most:
            return
        place = self._place()
        raise ChildDied(
            f"held {memory.in_words(held)}, more than the {memory.in_words(most)} that a "
            f"framework may take here, and was ended{place}",
            hint="load it where there is more memory, or give an .onnx export of the model",
        )

    def _epitaph(self) -> str:
        """Return how the child ended, with its last useful words."""
        status = self._process.wait(GRACE_SECONDS)
        log = self.folder / "log"
        words, place = last_words(log), last_place(log)
        self.close()
        how = f"ended with status {status}"
        if status < 0:
            name = signal.Signals(-status).name
            killed = name == "SIGKILL"
            how = (
                "was killed, out of memory perhaps"
                if killed
                else f"crashed ({name}){place}"
            )
        return f"{how}: {words}" if words else how


def _spawn(
    family: str, folder: Path, asked: int, answering: int
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "analyzer.frontends.child"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603  # our own module
            [*command, family, str(asked), str(answering), str(folder)],
            pass_fds=(asked, answering),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(family),
            start_new_session=True,  # Ctrl-C is ours to pass on
        )


def environment(family: str) -> dict[str, str]:
    """Return the environment of a child of this family, in which our package is found."""
    home = str(Path(next(iter(analyzer.__path__))).resolve().parent)
    known = os.environ.get("PYTHONPATH", "")
    found = (
        {}
        if home == sysconfig.get_path("purelib")
        else {"PYTHONPATH": os.pathsep.join(filter(None, (known, home)))}
    )
    return {**os.environ, **ENVIRONMENTS[family], **found}


def _end(process: subprocess.Popen[bytes], folder: Path, ends: tuple[int, int]) -> None:
    """Kill a child with all it started, and remove what it left."""
    for end in ends:
        os.close(end)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


class WarmChildren:
    """Children that outlive their first model, one per family, restarted when they die."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[str, Child] = {}

    def child(self, family: str) -> Child:
        """Return the living child of a family."""
        with self._lock:
            child = self._children.get(family)
            if child is None or not child.alive:
                child = self._children[family] = Child(family)
            return child

    def close(self) -> None:
        """End them all."""
        for child in self._children.values():
            child.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *reason: object) -> None:
        """End them all."""
        self.close()


_warm: list[WarmChildren] = []
"""Those of all open contexts, the innermost last; threads that load side by side too."""


@contextmanager
def warm_children() -> Iterator[WarmChildren]:
    """Let every model loaded in this context share one child per family.

    A framework's import takes seconds; who loads hundreds of models pays it once. Models
    of one child run one after another, and share its fate.
    """
    with WarmChildren() as children:
        _warm.append(children)
        try:
            yield children
        finally:
            _warm.remove(children)


def child_of(family: str) -> Child:
    """Return a child for one model: a new one, or the warm one of this context."""
    return _warm[-1].child(family) if _warm else Child(family)
