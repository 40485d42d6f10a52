"""Who may ask: web pages that are let in, addresses with slashes, and what is told to those who are not answered."""

import pytest

from serving import listening
from suture.errors import UsageError
from suture.serve.app import Desk
from suture.serve.doors import origins

PAGE, OTHER, TOKEN = "http://localhost:3000", "https://evil.example", "correct horse battery"
ASKS = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-stainless-os",
}
WRITE = {"model": "tiny", "prompt": "You are", "max_tokens": 2}


def fields(client, method, path, body=None, **headers):
    """Status and header fields of an answer."""
    connection, answer = client.open(
        method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.fixture
def open_to_a_page(engine):
    with listening(Desk(engine, "tiny", cors=[PAGE + "/"])) as client:
        yield client


def test_a_page_that_is_let_in_may_ask_and_read(open_to_a_page):
    status, head = fields(open_to_a_page, "OPTIONS", "/v1/chat/completions", **ASKS)
    assert status == 200
    assert head["access-control-allow-origin"] == PAGE
    assert "POST" in head["access-control-allow-methods"]
    assert "x-stainless-os" in head["access-control-allow-headers"]
    for body, expected in ((WRITE, 200), ({}, 400)):  # an error can be read as well
        status, head = fields(open_to_a_page, "POST", "/v1/completions", body, Origin=PAGE)
        assert (status, head["access-control-allow-origin"]) == (expected, PAGE)


def test_another_page_is_not_let_in(open_to_a_page):
    status, head = fields(open_to_a_page, "OPTIONS", "/v1/completions", **{**ASKS, "Origin": OTHER})
    assert status == 400
    assert "access-control-allow-origin" not in head
    assert "access-control-allow-origin" not in fields(open_to_a_page, "GET", "/v1/models", Origin=OTHER)[1]


def test_without_pages_none_is_let_in(shared):
    status, head = fields(shared, "OPTIONS", "/v1/completions", **ASKS)
    assert status == 405
    assert "access-control-allow-origin" not in head


def test_all_pages_are_let_in_with_a_token_that_each_request_carries(engine):
    with listening(Desk(engine, "tiny", token=TOKEN, cors=["*"])) as client:
        assert fields(client, "OPTIONS", "/v1/completions", **ASKS)[0] == 200  # browsers ask this without the token
        status, head = fields(client, "POST", "/v1/completions", WRITE, Origin=OTHER)
        assert (status, head["access-control-allow-origin"]) == (401, "*")
        assert fields(client, "POST", "/v1/completions", WRITE, Origin=OTHER, Authorization=f"Bearer {TOKEN}")[0] == 200


@pytest.mark.parametrize(
    "given", ["*", "null", "localhost:3000", "http://a/b", "ftp://a", "", "http://", "http://a b", "http://u@a"]
)
def test_what_is_no_origin_or_everybody_is_refused(given):
    with pytest.raises(UsageError):
        origins([given], "")


def test_origins_are_as_browsers_write_them():
    assert origins(["http://localhost:3000/", " https://[::1]:8443"], "") == [PAGE, "https://[::1]:8443"]
    assert origins(["*", "null"], TOKEN) == ["*", "null"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health/"), ("GET", "/v1/models/"), ("GET", "//v1/models"), ("GET", "/v1//models//"), ("GET", "/v1/models/tiny/"),
     ("POST", "/v1/completions/"), ("POST", "/v1//completions"), ("HEAD", "/health")],
)  # fmt: skip
def test_slashes_more_than_needed_are_no_other_address(shared, method, path):
    assert fields(shared, method, path, WRITE if method == "POST" else None)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [("GET", "/", 404, "POST /v1/chat/completions"), ("POST", "/v1/embeddings", 404, "nothing at POST /v1/embeddings"),
     ("POST", "/chat/completions", 404, "/v1/chat/completions"), ("GET", "/v1/completions", 405, "takes POST, not GET"),
     ("DELETE", "/v1/models/tiny", 405, "not DELETE")],
)  # fmt: skip
def test_what_is_at_no_address_is_told_which_there_are(shared, method, path, status, words):
    got, answer = shared(method, path)
    assert got == status
    assert words in answer["error"]["message"]
    assert answer["error"].keys() == {"message", "type", "param", "code"}


def test_another_host_is_told_what_to_do(shared):
    status, answer = shared("GET", "/v1/models", Host="host.docker.internal:8123")
    assert status == 403
    assert "token" in answer["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_json_by_its_usual_names(shared, kind):
    assert shared("POST", "/v1/completions", WRITE, Content_Type=kind)[0] == 200


@pytest.mark.parametrize("key", ["Bearer anything", "Bearer ", "Basic YQ=="])
def test_a_key_that_nobody_asks_for_does_no_harm(shared, key):
    assert shared("POST", "/v1/completions", WRITE, Authorization=key)[0] == 200


def test_a_compressed_body_is_told_from_one_that_is_no_json(shared):
    status, answer = shared("POST", "/v1/completions", b"\x1f\x8b\x08", Content_Encoding="gzip")
    assert status == 415
    assert "compressed (gzip)" in answer["error"]["message"]
