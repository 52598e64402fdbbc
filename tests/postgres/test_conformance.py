"""PostgreSQL, held to the suite that every saver is held to: on each kind of server that there is."""

from collections.abc import Iterator
from functools import partial

import psycopg
import pytest

from perdure.testing.conformance import DurableSaverConformance, MakeSaver, SaverConformance
from perdure_postgres import PostgresSaver
from tests.postgres.cluster import Cluster


class TestPostgres(DurableSaverConformance):
    @pytest.fixture
    def make_saver(self, each_postgres: Cluster) -> Iterator[MakeSaver]:
        with each_postgres.database() as url:
            yield partial(PostgresSaver, url)


class TestPartitioned(SaverConformance):
    @pytest.fixture
    def make_saver(self, postgres_url: str) -> MakeSaver:
        with PostgresSaver(postgres_url) as saver:
            saver.setup(partitions=3)
        with psycopg.connect(postgres_url) as connection:
            found = connection.execute("SELECT count(*) FROM pg_inherits").fetchone()
            assert found is not None
            assert found[0] >= 6
        return partial(PostgresSaver, postgres_url)
