"""What Sail shows, shown on Apache Spark itself, where there is one.

Needs Java, and Spark's own server: a Python environment of its own, since the server and the client
are packages of one name. `ER_PIPELINE_SPARK_HOME` is its folder pyspark.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from er_pipeline.blocking.pairs.budget_cut import is_best
from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline_tests.test_budget_cut import drawn_pairs, put
from er_pipeline_tests.test_executors import FIELDS, KEYS, records
from er_pipeline_tests.two_engines import need_sail

need_sail()

from er_pipeline.blocking.tables.engine_spark import SparkEngine  # noqa: E402
from er_pipeline.blocking.tables.spark_session import end_sessions  # noqa: E402

HOME = os.environ.get("ER_PIPELINE_SPARK_HOME", "")
pytestmark = [
    pytest.mark.skipif(not shutil.which("java"), reason="needs Java, such as Debian's default-jre"),
    pytest.mark.skipif(
        not Path(HOME, "bin", "spark-submit").is_file(),
        reason="needs Apache Spark 4: pip install 'pyspark==4.1.1' in an environment of its own,"
        " its folder pyspark as ER_PIPELINE_SPARK_HOME",
    ),
]
# Little of anything: a few hundred rows, and no time to make fast code of the JVM's.
SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    folder = tmp_path_factory.mktemp("spark")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        **SETTINGS,
        "spark.connect.grpc.binding.port": str(port),
        "spark.local.dir": str(folder),
    }
    command = [str(Path(HOME, "bin", "spark-submit"))]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    log = folder / "server.log"
    with log.open("w") as written:
        server = subprocess.Popen(
            [*command, "spark-internal"],
            cwd=folder,
            env={
                **os.environ,
                "SPARK_HOME": HOME,
                "PYSPARK_PYTHON": sys.executable,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            stdout=written,
            stderr=written,
        )
    try:
        _wait_for(port, server, log)
        there = Cluster(f"sc://127.0.0.1:{port}", in_executors=True, driver_records=1)
        with SparkEngine(there, tmp_path_factory.mktemp("scratch"), 1) as engine:
            yield engine
    finally:
        end_sessions()
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, log.read_text()[-2_000:]
        time.sleep(0.5)
    raise AssertionError(f"no server after two minutes: {log.read_text()[-2_000:]}")


def test_keys_of_the_executors_are_those_of_the_driver(spark: SparkEngine) -> None:
    rule = parse_conjunction("sound", [*KEYS["sound"], "strip_accents(city[-3:])"], FIELDS)
    found = []
    with DuckDBEngine(1) as driver:
        engines: list[Engine] = [spark, driver]
        for engine in engines:
            engine.put("records", records())
            keyed = rule.keyed_records(engine, "records")
            found.append(sorted(engine.rows(f"select record_no, block_key from ({keyed}) as k")))
    assert found[0] == found[1] != []


def test_a_budget_keeps_the_same_pairs(spark: SparkEngine) -> None:
    pairs = drawn_pairs(300, 3)
    put(spark, pairs)
    best = is_best(spark, "weighed_pairs", 150)
    found = spark.rows(f"select p.left_no, p.right_no from weighed_pairs as p where {best}")
    wanted = sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))[:150]
    assert sorted(found) == sorted(pair[:2] for pair in wanted)
