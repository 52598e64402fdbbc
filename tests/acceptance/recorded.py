"""What a thread's log says was done."""

from perdure import START
from perdure.events import TaskSucceeded
from perdure.thread import Thread


def nodes_done(thread: Thread) -> list[str]:
    """Return the nodes whose tasks are recorded as succeeded, in order; the input is none of them."""
    events = [one.event for one in thread.events()]
    return [one.node for one in events if isinstance(one, TaskSucceeded) and one.node != START]
