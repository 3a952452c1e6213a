"""What travels over NATS and HTTP: vectors/nats.json and vectors/frames.json, by readers of the tests' own, and by a server."""

import asyncio
from typing import Any

import pytest
from nats_statements import Reading, is_did, read_nkey, read_statement, token_of_name
from shared import cases, vectors

from private_me import Agent, MessageBus, listen, serve_agents

NATS = vectors("nats")
FRAMES = vectors("frames")


@cases("nats", of="statements")
def test_every_statement_gets_its_verdict(case):
    reading = Reading(
        NATS["namespace"], case.get("operators", NATS["operators"]), case.get("now", NATS["now"]), NATS["skew"],
        case.get("agent"), case.get("key"),
    )  # fmt: skip
    if "namespace" in case:
        reading = reading._replace(namespace=case["namespace"])
    said = read_statement(case["statement"], case["text"], reading)
    assert said == (case["is"] if case["expect"] == "accept" else case["code"])


def test_keys_of_nats_have_one_spelling():
    for each in NATS["nkeys"]:
        read = read_nkey(each["text"])
        if "key" in each:
            assert read == (each["role"], each["key"])
        else:
            assert (read is not None and read[0] == each["role"]) is False, each["text"]


def test_names_and_dids_have_one_token_each():
    for each in NATS["names"]:
        if "name" in each:
            assert token_of_name(each["name"]) == each.get("token")
        else:
            assert token_of_name(each["token"].replace("=2E", ".")) != each["token"]
    for each in NATS["dids"]:
        assert is_did(f"did:key:{each.get('token', '')}") is ("did" in each)


def read(data: bytes) -> dict[str, Any]:
    """As docs/http.md has it."""
    messages: list[dict[str, str]] = []
    at = 0
    try:
        while at < len(data):
            head = data[at : at + 67]
            if len(head) < 67:
                return {"messages": messages, "code": "ABORTED"}
            jws, body, presented = (int.from_bytes(head[start:end], "big") for start, end in ((1, 3), (3, 7), (7, 11)))
            if head[0] != 1 or not 0 < jws <= 4096:
                return {"messages": messages, "code": "MALFORMED_MESSAGE"}
            if body > FRAMES["maxBody"] or presented > 69_634:
                return {"messages": messages, "code": "PAYLOAD_TOO_LARGE"}
            to = head[11:].decode()
            if not is_did(to):
                return {"messages": messages, "code": "MALFORMED_MESSAGE"}
            ends = [at + 67 + jws, at + 67 + jws + body, at + 67 + jws + body + max(0, presented - 1)]
            if ends[2] > len(data):
                return {"messages": messages, "code": "ABORTED"}
            message = {"to": to, "jws": data[at + 67 : ends[0]].decode(), "body": data[ends[0] : ends[1]].hex()}
            if presented > 0:
                message["presented"] = data[ends[1] : ends[2]].decode()
            messages.append(message)
            at = ends[2]
    except UnicodeDecodeError:
        return {"messages": messages, "code": "MALFORMED_MESSAGE"}
    return {"messages": messages}


async def is_taken(port: int, body: bytes) -> bool:
    """Whether the response comes to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.xbind.messages\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            piece = await asyncio.wait_for(reader.read(65536), 30)
            if not piece:
                return False
            answer += piece
        return True
    except OSError:
        return False
    finally:
        writer.close()


@cases("frames")
async def test_every_body_is_read_as_it_is(case):
    body = bytes.fromhex(case["bytes"])
    wanted = {"messages": case["messages"]}
    assert read(body) == ({**wanted, "code": case["code"]} if "code" in case else wanted)
    bus = MessageBus()
    async with Agent(bus=bus, max_payload_bytes=FRAMES["maxBody"]), listen(serve_agents(bus)) as server:
        assert await is_taken(server.port, body) is ("code" not in case)


@pytest.mark.parametrize("size", [1, 7, 66, 67, 68])
async def test_the_result_is_the_same_in_whatever_pieces_the_bytes_come(size):
    bus = MessageBus()
    told: list[bool] = []
    async with Agent(bus=bus, max_payload_bytes=FRAMES["maxBody"]):
        app = serve_agents(bus)
        for case in FRAMES["cases"]:
            body = bytes.fromhex(case["bytes"])
            pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
            told.append(await _served(app, pieces) is ("code" not in case))
    assert all(told), [case["name"] for case, good in zip(FRAMES["cases"], told) if not good]


async def _served(app: serve_agents, pieces: list[bytes]) -> bool:
    left = list(pieces)
    gone = asyncio.Event()
    ended: list[bool] = []

    async def receive() -> dict[str, Any]:
        if left:
            piece = left.pop(0)
            return {"type": "http.request", "body": bytearray(piece), "more_body": bool(left)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            ended.append(True)

    headers = [(b"content-type", b"application/vnd.xbind.messages")]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    try:
        await asyncio.wait_for(app(scope, receive, send), 30)
    except RuntimeError:
        raise
    except Exception:
        return False
    finally:
        gone.set()
    return bool(ended)
