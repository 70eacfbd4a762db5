import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from er_pipeline.blocking.labels.label_session import Session
from er_pipeline.blocking.labels.labels import RETRACTED, Journal
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.label_server import LabelServer, label_page, label_server
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import label
from er_pipeline_tests.test_label_session import ABC, pair, said


@contextmanager
def serving(journal: Journal, pairs: list[ShownPair] = ABC) -> Iterator[LabelServer]:
    with label_server(Session(pairs, journal, who="eve"), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(journal: Journal) -> Iterator[LabelServer]:
    with serving(journal) as server:
        yield server


def asked(
    server: LabelServer, method: str, path: str, body: Any = None, **headers: str | None
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Send what the page sends; a header that is None is left out."""
    own = f"127.0.0.1:{server.server_port}"
    sent: dict[str, str | None] = {
        "Host": own,
        **({"Origin": f"http://{own}"} if method == "POST" else {}),
    }
    sent |= {"Content-Type": "application/json"} if method == "POST" else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(own, timeout=20)
    text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        given = {name: value for name, value in sent.items() if value is not None}
        connection.request(method, path, text, given)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    is_json = answer.headers.get_content_type() == "application/json"
    return answer.status, json.loads(content) if is_json else content, answer.headers


def at(server: LabelServer, path: str) -> str:
    return f"/{server.key}/{path}"


def answer(server: LabelServer, number: Any, said: Any) -> tuple[int, Any]:
    body = {"number": number, "answer": said}
    return asked(server, "POST", at(server, "answer"), body)[:2]


def test_the_page_asks_keeps_and_undoes(server: LabelServer, journal: Journal) -> None:
    status, state, _ = asked(server, "GET", at(server, "state"))
    assert (status, state["number"], state["pairs"], state["left"]) == (200, 0, 3, 3)
    assert state["why"] == "drawn at random from the candidates, for unbiased estimates"
    assert state["rows"] == [
        {"field": "record", "mark": " ", "left": [["a", False]], "right": [["b", False]]},
        {
            **{"field": "name", "mark": "~", "left": [["ann", False]]},
            "right": [["ann", False], ["e", True]],
        },
    ]
    assert not state["can_undo"]
    status, state = answer(server, 0, "match")
    assert (status, state["number"], state["said"], state["can_undo"]) == (200, 1, "match", True)
    assert "1 answered, 2 left; 1 match" in state["progress"]
    assert said(journal) == [("a", "b", "match")]
    status, state, _ = asked(server, "POST", at(server, "undo"), {})
    assert (status, state["number"], state["said"]) == (200, 0, "undone: match")
    assert said(journal)[1:] == [("a", "b", RETRACTED)]
    for number in range(3):
        state = answer(server, number, "unsure")[1]
    assert (state["number"], state["rows"], state["left"]) == (None, [], 0)


def test_a_second_window_answers_no_pair_twice(server: LabelServer, journal: Journal) -> None:
    answer(server, 0, "match")
    status, state = answer(server, 0, "no_match")
    assert (status, state["number"]) == (409, 1)
    assert state["said"] == "That pair was answered in another window; this is the next one."
    assert said(journal) == [("a", "b", "match")]


def test_writers_side_by_side_lose_nothing(journal: Journal) -> None:
    pairs = [pair(f"l{i}", f"r{i}") for i in range(30)]
    others = [label(f"x{i}", f"y{i}", who="dan") for i in range(30)]
    with serving(journal, pairs) as server, ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(journal.append, [line]) for line in others]
        statuses = list(pool.map(lambda i: answer(server, i // 2, "match")[0], range(60)))
        for done in writing:
            done.result()
        state = asked(server, "GET", at(server, "state"))[1]
    lines = journal.read()
    ours = [line.left.record_id for line in lines if line.who == "eve"]
    assert len(ours) == len(set(ours)) == statuses.count(200)
    assert set(statuses) <= {200, 409}
    assert {line.left.record_id for line in lines if line.who == "dan"} == {
        line.left.record_id for line in others
    }
    assert state["progress"].startswith(f"{30 + len(ours)} answered, {30 - len(ours)} left")


def test_without_the_key_there_is_nothing(server: LabelServer, journal: Journal) -> None:
    for path in ("/", "/state", "//state", f"/{server.key}", f"/{server.key[:-1]}/"):
        status, body, _ = asked(server, "GET", path)
        assert status == 404
        assert "record" not in str(body)
        assert server.key not in str(body)
    assert asked(server, "POST", "/wrong/answer", {"number": 0, "answer": "match"})[0] == 404
    assert journal.read() == []


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
def test_an_answer_from_another_page_is_refused(
    server: LabelServer, journal: Journal, origin: str | None
) -> None:
    body = {"number": 0, "answer": "match"}
    assert asked(server, "POST", at(server, "answer"), body, Origin=origin)[0] == 403
    assert asked(server, "POST", at(server, "undo"), {}, Origin=origin)[0] == 403
    assert journal.read() == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
def test_another_name_of_this_machine_is_refused(server: LabelServer, host: str) -> None:
    status, body, _ = asked(server, "GET", at(server, "state"), Host=host)
    assert status == 421
    assert "rows" not in body
    forged = asked(server, "POST", at(server, "undo"), {}, Host=host, Origin=f"http://{host}")
    assert forged[0] == 421


def test_localhost_and_a_tunnel_from_another_port_are_served(server: LabelServer) -> None:
    for host in ("localhost", "localhost:9999", "127.0.0.1:1"):
        assert asked(server, "GET", at(server, "state"), Host=host)[0] == 200
        done = asked(server, "POST", at(server, "undo"), {}, Host=host, Origin=f"http://{host}")
        assert done[0] == 200


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{", {}),
        (b"[1]", {}),
        (b'{"number": 0, "answer": "retracted"}', {}),
        (b'{"number": "0", "answer": "match"}', {}),
        (b'{"number": true, "answer": "match"}', {}),
        (b'{"number": 0, "answer": ["match"]}', {}),
        (b'{"number": 0, "answer": "match"}', {"Content_Type": "text/plain"}),
        (b'{"number": 0, "answer": "match"' + b" " * 2_000 + b"}", {}),
    ],
)
def test_what_is_no_answer_is_refused(
    server: LabelServer, journal: Journal, body: bytes, headers: dict[str, str]
) -> None:
    status, found, _ = asked(server, "POST", at(server, "answer"), body, **headers)
    assert status == 400
    assert found["error"]
    assert journal.read() == []


def test_there_is_nothing_else_to_ask_for(server: LabelServer) -> None:
    assert asked(server, "GET", at(server, "answer"))[0] == 404
    assert asked(server, "GET", at(server, "state/more"))[0] == 404
    assert asked(server, "POST", at(server, "state"), {})[0] == 404
    assert asked(server, "PUT", at(server, "answer"), {})[0] == 501


def test_a_journal_that_cannot_be_written_says_so(server: LabelServer, journal: Journal) -> None:
    journal.path.mkdir()
    status, found = answer(server, 0, "match")
    assert status == 500
    assert f"{journal.path}: cannot be" in found["error"]


def test_the_page_loads_nothing_and_runs_only_its_own_code(server: LabelServer) -> None:
    status, page, headers = asked(server, "GET", at(server, ""))
    assert status == 200
    assert page == label_page()[0]
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert b"http://" not in page
    assert b"https://" not in page
    assert b"innerHTML" not in page
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "same-origin")


def test_it_listens_on_this_machine_alone(server: LabelServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/{server.key}/"
    assert len(server.key) >= 32


def test_a_port_that_is_taken_is_named(server: LabelServer, journal: Journal) -> None:
    with pytest.raises(UsageError, match=f"port {server.server_port} cannot be listened on"):
        label_server(Session(ABC, journal, who="eve"), server.server_port)
