"""Points in time and time zones as payloads: ISO 8601 text where that says everything, else text plus zone.

A `ZoneInfo` keeps its key and a named `timezone` its name. Any other tzinfo (pytz, dateutil) is stored as its offset:
the moment stays equal, the zone's rules are not kept.
"""

import re
from datetime import datetime, time, timedelta, timezone, tzinfo
from functools import cache
from pathlib import Path
from typing import TypeVar
from zoneinfo import TZPATH, ZoneInfo, available_timezones

from perdure.codecs.tree import UnstorableError
from perdure.events import Value

MomentT = TypeVar("MomentT", datetime, time)

_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


def take_moment(value: datetime | time) -> Value:
    """Return ISO text, or [ISO text without zone, fold, zone] for what the text cannot say."""
    zone = value.tzinfo
    if not value.fold and not _has_name(zone):
        return value.isoformat()
    if zone is not None and type(zone) not in (ZoneInfo, timezone):
        return _plain(value).isoformat()
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone]


def build_moment(cls: type[MomentT], payload: Value) -> MomentT:
    """Return the datetime or time; raise ValueError or TypeError when the payload is none."""
    if isinstance(payload, str):
        return cls.fromisoformat(payload)
    text, fold, zone = payload
    if zone is not None and type(zone) not in (ZoneInfo, timezone):
        raise ValueError(f"{zone!r} is no time zone")
    return cls.fromisoformat(text).replace(fold=fold, tzinfo=zone)


def take_zone(value: ZoneInfo) -> str:
    """Return the zone's key."""
    if not _is_known(str(value.key)):
        raise UnstorableError("is a time zone without a key of the IANA database: use ZoneInfo('Area/City').", value)
    return value.key


def build_zone(key: str) -> ZoneInfo:
    """Return the zone; raise ValueError for a key that the time zone database of this machine does not hold."""
    # An unknown key would make `zoneinfo` look for a module named after it: check before it can.
    if not _is_known(key):
        raise ValueError(f"this machine knows no time zone {key!r}: install the package tzdata")
    return ZoneInfo(key)


def take_offset(value: timezone) -> Value:
    """Return [days, seconds, microseconds, name or None]."""
    offset = value.utcoffset(None)
    return [offset.days, offset.seconds, offset.microseconds, value.tzname(None) if _has_name(value) else None]


def build_offset(payload: Value) -> timezone:
    """Return the fixed offset."""
    days, seconds, microseconds, name = payload
    offset = timedelta(days, seconds, microseconds)
    return timezone(offset) if name is None else timezone(offset, name)


def _plain(value: datetime | time) -> datetime | time:
    """Return the same moment with a plain offset (or none) in place of a foreign tzinfo."""
    offset = value.utcoffset()
    return value.replace(fold=0, tzinfo=None if offset is None else timezone(offset))


def _has_name(zone: tzinfo | None) -> bool:
    if type(zone) is ZoneInfo:
        return True
    return type(zone) is timezone and zone.tzname(None) != timezone(zone.utcoffset(None)).tzname(None)


@cache
def _packaged() -> frozenset[str]:
    return frozenset(available_timezones())


def _is_known(key: str) -> bool:
    if not _ZONE_KEY.fullmatch(key):
        return False
    return any(Path(root, key).is_file() for root in TZPATH) or key in _packaged()
