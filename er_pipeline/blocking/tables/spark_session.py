"""Sessions of Spark Connect: on a cluster, or on Sail, which this process starts.

Neighbouring steps of one process share a session, since a cluster may take long to open one.

Sail is a Spark Connect server without a JVM. Client and server are pinned as a pair in
pyproject.toml: newer clients end their session at once on it.
"""

import atexit
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.errors import LakeError, first_line

if TYPE_CHECKING:
    from pyspark.sql.connect.client.retries import RetryPolicy
    from pyspark.sql.connect.session import SparkSession

logger = logging.getLogger(__name__)

# As Spark 4 has it by default, said for older ones: an overflow is an error, not a NULL.
ANSI = {"spark.sql.ansi.enabled": "true", "spark.sql.session.timeZone": "UTC"}

# A new session's first requests are tried again so often, for some eight seconds; later ones for
# minutes, as the client has it.
ANSWERS_WITHIN = 4


@contextmanager
def lent_session(cluster: Cluster) -> Iterator["SparkSession"]:
    """Lend a session to one step at a time; it stays open for the next one of this process.

    The step leaves no views in it. After an error it is ended instead.
    Raises what `spark_session` raises.
    """
    waiting = _waiting.setdefault(_place(cluster), [])
    held, session = waiting.pop() if waiting else (ExitStack(), None)
    if session is not None and not _answers(session):  # servers end what has been idle for long
        held.close()
        held, session = ExitStack(), None
    try:
        if session is None:
            session = held.enter_context(spark_session(cluster))
        yield session
    except BaseException:
        with suppress(Exception):
            held.close()
        raise
    waiting.append((held, session))


def end_sessions() -> None:
    """End the sessions that wait for a step."""
    for waiting in _waiting.values():
        while waiting:
            held, _ = waiting.pop()
            with suppress(Exception):
                held.close()


# By place, the sessions that no step has, each with what ends it.
_waiting: dict[object, list[tuple[ExitStack, "SparkSession"]]] = {}
atexit.register(end_sessions)


def _place(cluster: Cluster) -> object:
    return cluster.url, cluster.is_local, tuple(sorted(cluster.conf.items()))


def _answers(session: "SparkSession") -> bool:
    try:
        session.client.set_retry_policies([_policy(1)])
        session.sql("select 1").toArrow()
        session.client.set_retry_policies([_policy()])
    except Exception:
        return False
    return True


@contextmanager
def spark_session(cluster: Cluster) -> Iterator["SparkSession"]:
    """Open a session of its own on a cluster; its temporary views end with it.

    Raises LakeError if an extra is not installed, or the server does not answer.
    """
    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise LakeError(
            "engine: spark needs pyspark-client; install it with pip install 'er_pipeline[spark]'"
        ) from error
    url = sail_url() if cluster.is_local else cluster.url
    if url is None:
        raise LakeError(
            f"engine: spark: the variable {cluster.url_env} is not set; it should hold the address"
            " of a Spark Connect server, sc://host:15002"
        )
    session = SparkSession.builder.remote(url).create()
    try:
        session.client.set_retry_policies([_policy(ANSWERS_WITHIN)])
        for name, value in ({} if cluster.is_local else ANSI | dict(cluster.conf)).items():
            session.conf.set(name, value)
        logger.info("a session of Spark %s at %s", session.version, _host(url))
        session.client.set_retry_policies([_policy()])
    except Exception as error:
        with suppress(Exception):
            session.client.close()
        raise LakeError(
            f"engine: spark: no session at {_host(url)} ({type(error).__name__}:"
            f" {first_line(error).replace(url, '...')}); is the server running? See spark: url and"
            " conf in the dataset's defs.yaml"
        ) from error
    try:
        yield session
    finally:
        session.stop()


def _policy(most: int | None = None) -> "RetryPolicy":
    """Return how often a request is tried again: as the client has it, or at most so often."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    return DefaultPolicy() if most is None else DefaultPolicy(most, 2.0, 500)


def _host(url: str) -> str:
    """Return the part of an address that holds no token."""
    return "/".join(url.split("/")[:3])


@cache
def sail_url() -> str:
    """Start Sail in this process, once; return its address.

    Raises LakeError if it is not installed.
    """
    os.environ.setdefault("RUST_LOG", "error")
    try:
        from pysail.spark import SparkConnectServer
    except ImportError as error:
        raise LakeError(
            "spark: local needs Sail; install it with pip install 'er_pipeline[sail]'"
        ) from error
    server = SparkConnectServer(ip="127.0.0.1")
    server.start(background=True)
    host, port = server.listening_address
    _running.append(server)
    logger.info("started Sail at %s:%s", host, port)
    return f"sc://{host}:{port}"


# Sail runs as long as somebody holds it.
_running: list[object] = []
