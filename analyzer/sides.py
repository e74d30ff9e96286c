"""One model of a pair, and how it is run cut at tensors of the caller's choice."""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from analyzer.congruence import UNLIKE, Congruence
from analyzer.core.graph import reads
from analyzer.core.types import Feeds
from analyzer.matching.tensors import Links
from analyzer.runtime.dump import dump
from analyzer.runtime.isolate import isolate, isolation_feeds, without
from analyzer.runtime.session import NOTHING, Session
from analyzer.runtime.spill import NO_BOUND, Room, Spilled, open_dumping
from analyzer.view import View


class Isolator:
    """Opens isolated models, and keeps the last one open for the samples that follow.

    Args:
        room: Bytes that what one of them gives may take.
    """

    __slots__ = ("_cuts", "_known", "_model", "_room", "_session")

    def __init__(self, room: Room = NO_BOUND) -> None:
        self._room = room
        self._model: onnx.ModelProto | None = None
        self._cuts: frozenset[tuple[str, str, int]] = frozenset()
        self._known: frozenset[str] = frozenset()
        self._session: Session | Spilled | None = None

    def opened(
        self,
        model: onnx.ModelProto,
        folder: Path,
        fed: Feeds,
        known: Collection[str] = (),
    ) -> Session | Spilled:
        """Return a session on a model that reads the caller's values at some tensors.

        Args:
            model: The whole model.
            folder: The folder its external locations are relative to.
            fed: A value for each cut tensor, of which dtype and rank count.
            known: Tensors that need no computing.

        Raises:
            RunError: The runtime does not load it.
        """
        cuts = frozenset((name, str(one.dtype), one.ndim) for name, one in fed.items())
        key, last = (cuts, frozenset(known)), (self._cuts, self._known)
        if self._session is None or self._model is not model or key != last:
            self._session = None  # its memory goes before the next one's comes
            part = without(model, known) if known else model
            self._session = open_dumping(isolate(part, fed), folder, self._room)
            self._model, (self._cuts, self._known) = model, key
        return self._session


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One model of a pair: its proto, the folder of its weights, its macro graph.

    Attributes:
        model: The proto.
        folder: The folder its external locations are relative to.
        view: Its macro graph.
        isolator: Opens it cut at its pairs.
        congruence: Of a target, what it computes as the source does.
    """

    model: onnx.ModelProto
    folder: Path
    view: View
    isolator: Isolator = field(default_factory=Isolator)
    congruence: Congruence = UNLIKE

    def known(self, links: Links, fed: Feeds, given: Feeds, feeds: Feeds) -> Feeds:
        """Return what this target's tensors hold in an isolation run, as far as is known.

        Args:
            links: Tensor pairs by target tensor.
            fed: The value that readers of each cut tensor get, by target tensor.
            given: The source's values of one sample.
            feeds: The target's inputs of that sample.
        """
        return self.congruence.values(links, fed, given, feeds)


def isolation_run(target: Side, fed: Feeds, feeds: Feeds, known: Feeds = NOTHING) -> Feeds:
    """Return what every region of the target gives when it reads the source's values.

    Args:
        target: The target.
        fed: The value that readers of each cut tensor get, by target tensor.
        feeds: The target's inputs, one sample, by name.
        known: What some of the target's tensors hold, which is not computed again.

    Raises:
        RunError: A region does not take the source's values.
    """
    nodes = target.model.graph.node
    left = [node for node in nodes if not all(n in known for n in node.output if n)]
    if not left:
        return {**known, **feeds}
    read = {name for node in left for name in reads(node)} if known else fed.keys()
    ends = {name: one for name, one in {**known, **fed}.items() if name in read}
    session = target.isolator.opened(target.model, target.folder, ends, known.keys())
    return {**dump(session, isolation_feeds(ends, feeds)), **known, **feeds}
