"""The kinds of state keys that a schema can name."""

from perdure.channels.barrier import NamedBarrierValue as NamedBarrierValue
from perdure.channels.base import Channel as Channel
from perdure.channels.ephemeral import EphemeralValue as EphemeralValue
from perdure.channels.ephemeral import UntrackedValue as UntrackedValue
from perdure.channels.last_value import AnyValue as AnyValue
from perdure.channels.last_value import LastValue as LastValue
from perdure.channels.reduced import BinaryOperatorAggregate as BinaryOperatorAggregate
from perdure.channels.topic import Topic as Topic
