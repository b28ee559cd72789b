"""Processes that train one model together, with the same bits as one: teams, and what carries their bytes.

A :class:`Team` gathers values and sums arrays over its ranks in one fixed tree over *shards* of the data, so that
results do not depend, bit by bit, on how many ranks there are.

Members of a team trust each other: they exchange pickles, and whoever can send one to a process can run code in it.
"""

from seriatim.distributed._background import Pending
from seriatim.distributed._current import current, team, use
from seriatim.distributed._engine import Call, Came, Engine, TeamError
from seriatim.distributed._gloo import GlooEngine, gloo
from seriatim.distributed._local import LocalEngine, local_engines, run_threads
from seriatim.distributed._mesh import listen
from seriatim.distributed._mpi import MPIEngine, mpi
from seriatim.distributed._sockets import SocketEngine, connect
from seriatim.distributed._team import Team, alone
from seriatim.distributed._tree import TreeSum

__all__ = [
    "Call",
    "Came",
    "Engine",
    "GlooEngine",
    "LocalEngine",
    "MPIEngine",
    "Pending",
    "SocketEngine",
    "Team",
    "TeamError",
    "TreeSum",
    "alone",
    "connect",
    "current",
    "gloo",
    "listen",
    "local_engines",
    "mpi",
    "run_threads",
    "team",
    "use",
]
