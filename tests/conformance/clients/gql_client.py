"""The Python client gql, over its WebSocket transport, through the story of story.mjs."""

import asyncio
import os

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

SOCKET_URL = os.environ["TAKEOFF_URL"].replace("http", "ws", 1) + "/graphql/ws"

CREATE_SESSION = gql(
    'mutation CreateSession { createSession(input: {userId: "ann"}) { session { id } errors { code message } } }'
)
SUBMIT = gql(
    """mutation Submit($input: SubmitIntentInput!) {
      submitIntent(input: $input) { execution { id } errors { code message path } }
    }"""
)
WATCH = gql(
    """subscription Watch($id: ID!, $after: String) {
      executionEvents(executionId: $id, after: $after) { cursor hasMorePastEvents events { id sequence type } }
    }"""
)
PAST = gql("query Past($id: ID!) { execution(id: $id) { status events(first: 200) { nodes { id sequence type } } } }")
BROKEN = gql("query Broken { nothing }")

STEPS = "abcdefgh"
STEP_MS = 150
PATIENCE_S = 20


def client() -> Client:
    # The protocol must be named: gql looks for the one that the server chose under a header name in mixed case,
    # does not find the lower case of the answer, and then speaks an older protocol.
    protocols = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    return Client(transport=WebsocketsTransport(url=SOCKET_URL, subprotocols=protocols))


def given(request: GraphQLRequest, **variables) -> GraphQLRequest:
    return GraphQLRequest(request, variable_values=variables)


async def main() -> None:
    seen: list[dict] = []
    execution, cursor = await watch_until_dropped(seen)
    async with client() as session:
        await until_further(session, execution, len(seen))
        cursor = await watch_to_the_end(session, execution, cursor, seen)
        await assert_whole(session, execution, cursor, seen)
        await errors_arrive(session)
    print(f"{len(seen)} events, each once and in order, over two connections; errors arrive as errors")


async def submit_journey(session) -> str:
    created = (await session.execute(CREATE_SESSION))["createSession"]
    assert created["errors"] == [], created
    steps = [
        {
            "name": name,
            "intent_type": "echo",
            "parameters": {"message": name, "delay_ms": STEP_MS},
            "depends_on": list(STEPS[:at][-1:]),
        }
        for at, name in enumerate(STEPS)
    ]
    intent = {
        "intentType": "compose_journey",
        "sessionId": created["session"]["id"],
        "parameters": {"steps": steps},
    }
    submitted = (await session.execute(given(SUBMIT, input=intent)))["submitIntent"]
    assert submitted["errors"] == [], submitted
    return submitted["execution"]["id"]


async def watch_until_dropped(seen: list[dict]) -> tuple[str, str]:
    """Watches the beginning and loses the connection; the execution and the last cursor."""
    dropping = client()
    session = await dropping.connect_async()
    execution = await submit_journey(session)
    cursor = None
    try:
        async for data in session.subscribe(given(WATCH, id=execution)):
            if cursor is not None and len(seen) >= 5:
                continue  # came before the drop, and is not taken: it must come again
            batch = data["executionEvents"]
            seen.extend(batch["events"])
            cursor = batch["cursor"]
            if len(seen) >= 5:
                # The connection ends as a failing network would end it, without a closing handshake.
                session.transport.adapter.websocket.transport.abort()
    except TransportError:
        assert len(seen) >= 5, "the connection was lost too early"
    else:
        raise AssertionError("the stream ended as if it were complete")
    finally:
        await dropping.close_async()
    assert all(event["type"] != "execution.completed" for event in seen), "dropped too late"
    return execution, cursor


async def until_further(session, execution: str, count: int) -> None:
    """Waits until there is something that was missed."""
    while True:
        past = await session.execute(given(PAST, id=execution))
        if len(past["execution"]["events"]["nodes"]) > count:
            return


async def watch_to_the_end(session, execution: str, after: str, seen: list[dict]) -> str:
    cursor = after
    async for data in session.subscribe(given(WATCH, id=execution, after=after)):
        batch = data["executionEvents"]
        assert 1 <= len(batch["events"]) <= 100
        seen.extend(batch["events"])
        cursor = batch["cursor"]
    return cursor


async def assert_whole(session, execution: str, cursor: str, seen: list[dict]) -> None:
    assert [event["sequence"] for event in seen] == [str(at + 1) for at in range(len(seen))], seen
    assert seen[-1]["type"] == "execution.completed", seen
    past = (await session.execute(given(PAST, id=execution)))["execution"]
    assert past["events"]["nodes"] == seen
    assert past["status"] == "COMPLETED"
    # After the end there is nothing more, and the stream says so.
    assert await watch_to_the_end(session, execution, cursor, []) == cursor


async def errors_arrive(session) -> None:
    absent = "exe_01kaa000000000000000000000"
    for variables in ({"id": absent}, {"id": "not an id"}, {"id": absent, "after": "not a cursor"}, {}):
        try:
            async for data in session.subscribe(given(WATCH, **variables)):
                raise AssertionError(f"{variables} got {data}")
        except TransportQueryError:
            continue
        raise AssertionError(f"{variables}: the stream ended without an error")
    try:
        await session.execute(BROKEN)
    except TransportQueryError:
        return
    raise AssertionError("a field that does not exist was answered")


asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
