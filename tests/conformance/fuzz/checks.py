"""What schemathesis needs to know of the API: literals for its scalars, and what an answer may not be."""

import os
from datetime import datetime, timezone

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes, scalar

# Ids of things that exist, or every lookup would find nothing.
ids = st.sampled_from(os.environ["CONFORMANCE_IDS"].split())
scalar("ID", st.one_of(ids, ids, st.text(max_size=40)).map(nodes.String))

# Pages of a few items are more frequent than all other numbers together, most of which are refused.
any_int = st.integers(min_value=-(2**31), max_value=2**31 - 1)
scalar("Int", st.one_of(st.integers(min_value=0, max_value=9), any_int).map(nodes.Int))

moments = st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(timezone.utc))
scalar("DateTime", moments.map(lambda moment: nodes.String(moment.isoformat())))
scalar("BigInt", st.integers(min_value=-(2**63), max_value=2**63 - 1).map(lambda number: nodes.String(str(number))))

leaves = st.one_of(st.text(max_size=20).map(nodes.String), any_int.map(nodes.Int), st.booleans().map(nodes.Boolean))
scalar("JSON", st.one_of(leaves, st.lists(leaves, max_size=3).map(nodes.List)))

# The codes that have their reason in the request or in the moment. INTERNAL is not among them.
CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "RATE_LIMITED",
    "BAD_USER_INPUT",
    "COST_EXCEEDED",
    "TIMEOUT",
    "UNAVAILABLE",
    "CURSOR_EXPIRED",
}


@schemathesis.check
def no_failure_of_the_server(ctx, response, case):
    """No status of 500 or more, and no error but those of the list."""
    assert response.status_code < 500, f"status {response.status_code}"
    answer = response.json()
    assert "data" in answer or answer.get("errors"), "neither data nor errors"
    for error in answer.get("errors") or []:
        code = error.get("extensions", {}).get("code")
        assert code in CODES, f"{code}: {error.get('message')}"
