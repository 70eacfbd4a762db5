import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.spark_session import (
    end_sessions,
    lent_session,
    sail_url,
    spark_session,
)
from er_pipeline_tests.two_engines import SAIL, need_sail


@pytest.mark.parametrize(("missing", "extra"), [("pyspark", "spark"), ("pysail", "sail")])
def test_an_extra_that_is_not_installed_is_named(missing: str, extra: str) -> None:
    if missing == "pysail":
        need_sail()
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from er_pipeline.blocking.tables.cluster import Cluster\n"
        "from er_pipeline.blocking.tables.spark_session import spark_session\n"
        "try:\n"
        "    with spark_session(Cluster(is_local=True)): pass\n"
        "except Exception as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"pip install 'er_pipeline[{extra}]'" in ran.stdout


def test_a_variable_that_is_not_set_is_named() -> None:
    need_sail()
    unset = Cluster(url_env="NO_SUCH_REMOTE")
    with (
        pytest.raises(LakeError, match=r"NO_SUCH_REMOTE is not set; it should hold"),
        spark_session(unset),
    ):
        raise AssertionError("not opened")


def test_sail_is_started_once_and_sessions_do_not_see_each_other() -> None:
    need_sail()
    with spark_session(SAIL) as one, spark_session(SAIL) as other:
        assert sail_url() == sail_url()
        one.sql("select 1 as a").createOrReplaceTempView("mine")
        assert not other.catalog.tableExists("mine")
        assert one.catalog.tableExists("mine")


def test_neighbouring_steps_share_a_session_and_see_nothing_of_each_other(tmp_path: Path) -> None:
    need_sail()
    from er_pipeline.blocking.tables.engine_spark import SparkEngine

    end_sessions()
    with SparkEngine(SAIL, tmp_path, 1) as one:
        one.make_table("mine", "select 1 as a")
        one.make_view("seen", "select * from mine")
        with SparkEngine(SAIL, tmp_path, 1) as beside:  # at the same time: another session
            assert beside.session.session_id != one.session.session_id
    with SparkEngine(SAIL, tmp_path, 1) as following:
        assert following.session.session_id in (one.session.session_id, beside.session.session_id)
        assert not any(map(following.session.catalog.tableExists, ("mine", "seen")))


def test_a_session_is_not_lent_again_after_an_error_or_once_the_server_has_ended_it() -> None:
    need_sail()
    end_sessions()
    with suppress(ZeroDivisionError), lent_session(SAIL) as failed:
        raise ZeroDivisionError
    with lent_session(SAIL) as ended:
        assert ended.session_id != failed.session_id
    ended.stop()
    with lent_session(SAIL) as session:
        assert session.session_id != ended.session_id
        assert session.sql("select 1").toArrow().num_rows == 1
    other = replace(SAIL, conf={"a": "1"})
    with lent_session(other) as of_other_settings:
        assert of_other_settings.session_id != session.session_id
    end_sessions()
