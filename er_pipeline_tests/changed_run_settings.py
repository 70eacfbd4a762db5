"""One change of each setting of when and where runs are, what holds for them, who hears of them.

None of them shapes a table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

HEARD = {"notify": {"command": ["say"]}}
MAILED = {"notify": {"email": {"host": "mail", "from": "a@example.org", "to": ["a@example.org"]}}}
LOGGED_IN = {**MAILED, "notify.email.user": "er", "notify.email.password_env": "MAIL"}
PARQUET = {"publish": [{"parquet": "out", "tables": ["unified_pairs"]}]}
DATABASE = {"publish": [{"database": "sqlite:///a", "tables": ["unified_pairs"]}]}
VARIABLE = {"publish": [{"database_env": "A", "tables": ["unified_pairs"]}]}
DUCKLAKE = {"publish": [{"ducklake": "a.ducklake", "tables": ["unified_pairs"]}]}
ON_SPARK = {"engine": "spark", "embedding": None, "spark": {"url": "sc://host:1"}}
BY_VARIABLE = {**ON_SPARK, "spark": {"url_env": "SPARK_REMOTE"}}

# (setting, its other value, what else the change takes)
OF_RUNS: Sequence[tuple[str, Any, Mapping[str, Any]]] = (
    ("key_prefix", ["crm", "eu"], {}),
    ("schedule.watch.quiet_seconds", 60, {}),
    ("schedule.watch.every_seconds", 30, {}),
    ("schedule.watch.compare", "content", {}),
    ("schedule.learn", "0 4 * * 0", {}),
    ("schedule.automation", "on_cron", {}),
    ("runs.retries", 2, {}),
    ("runs.retry_seconds", 10, {}),
    ("runs.timeout_minutes", 240, {}),
    ("runs.max_age_hours", 30, {}),
    ("runs.tags", {"team": "data"}, {}),
    ("notify.on", ["success"], HEARD),
    ("notify.webhook", "https://hooks.example.org/a", HEARD),
    ("notify.webhook_env", "TEAM_WEBHOOK", HEARD),
    ("notify.email.host", "mail.example.org", MAILED),
    ("notify.email.port", 465, MAILED),
    ("notify.email.from", "er@example.org", MAILED),
    ("notify.email.to", ["b@example.org"], MAILED),
    ("notify.email.starttls", False, MAILED),
    ("notify.email.user", "somebody", LOGGED_IN),
    ("notify.email.password_env", "MAIL_PASSWORD", LOGGED_IN),
    ("notify.command", ["page"], HEARD),
    ("notify.timeout_seconds", 5, HEARD),
    ("publish[].name", "team", PARQUET),
    ("publish[].tables", ["matches"], PARQUET),
    ("publish[].parquet", "elsewhere", PARQUET),
    ("publish[].file_size", "256MB", PARQUET),
    ("publish[].database", "sqlite:///b", DATABASE),
    ("publish[].database_env", "B", VARIABLE),
    ("publish[].ducklake", "b.ducklake", DUCKLAKE),
    ("publish[].data_path", "files", DUCKLAKE),
    ("publish[].schema", "er", DUCKLAKE),
    ("spark.url", "sc://host:2", ON_SPARK),
    ("spark.url_env", "TEAM_REMOTE", BY_VARIABLE),
    ("spark.conf", {"spark.sql.shuffle.partitions": 400}, ON_SPARK),
    ("spark.launch", "subprocess", ON_SPARK),
    ("spark.in_executors", True, ON_SPARK),
    ("spark.driver_values", 1_000, ON_SPARK),
    ("spark.driver_records", 1_000, ON_SPARK),
    ("spark.driver_rows", 1_000, ON_SPARK),
)
