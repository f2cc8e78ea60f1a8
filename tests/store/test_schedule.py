"""The schedule of letters against the plainest model of it: a list that is searched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.storage.schedule import Schedule

_IDS = st.sampled_from("abcd")
_TIMES = st.integers(0, 20)
_MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("free"), _IDS, _TIMES),
        st.tuples(st.just("lease"), _IDS, _TIMES),
        st.tuples(st.just("replace"), _IDS, _TIMES),
        st.tuples(st.just("release"), _IDS, _TIMES),
        st.tuples(st.just("drop"), _IDS, _TIMES),
        st.tuples(st.just("take"), _IDS, _TIMES),
    ),
    max_size=40,
)


@given(_MOVES)
def test_the_schedule_agrees_with_a_plain_list(moves: list[tuple[str, str, int]]) -> None:
    schedule, due, free_at = Schedule(), dict[str, int](), dict[str, int]()
    for move, id, at in moves:
        if move == "free" or (move == "replace" and id in due):
            due[id] = free_at[id] = at
        elif move == "lease":
            due[id], free_at[id] = at, max(at, 10)
        elif move == "release" and id in due:
            free_at[id] = due[id]
        elif move == "drop":
            due.pop(id, None), free_at.pop(id, None)
        if move == "take":
            taken = schedule.take(at, at + 5, 2)
            ready = sorted(when for when in free_at.values() if when <= at)[:2]
            assert sorted(free_at[one] for one in taken) == ready
            free_at.update(dict.fromkeys(taken, at + 5))
        elif move in ("free", "replace"):
            getattr(schedule, move)(id, at)
        elif move == "lease":
            schedule.lease(id, at, 10)
        else:
            getattr(schedule, move)(id)
        assert schedule.first() == min(free_at.values(), default=None)
