import subprocess
import sys

import pytest

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.spark_session import sail_url, spark_session
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
