import pytest

from streamer.web.stills.queue import UPLOAD_S, Place, Queue, retry_after_s


def _pushed(queue: Queue, client: str, now_s: float = 0.0, pictures: int = 1) -> Place:
    place = queue.enter(client, "lite", now_s, pictures)
    queue.push(place)
    return place


def test_clients_take_turns_and_keep_their_order() -> None:
    queue = Queue(1, 5.0)
    places = {name: _pushed(queue, name[0]) for name in ("a1", "a2", "a3", "b1", "b2", "c1")}
    names = {place: name for name, place in places.items()}
    order = [names[place] for place in iter(queue.pop, None) if place is not None]
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert queue.pop() is None


def test_the_estimate_is_of_what_the_pictures_take() -> None:
    queue = Queue(2, 5.0)
    for _ in range(50):
        queue.served(Place("", "lite", 0.0), 0.5)
    for _ in range(20):
        _pushed(queue, "a")
    assert queue.estimate_s(0.0) == pytest.approx(20 * 0.5 / 2)
    assert queue.excess_s(0.0) == pytest.approx(0.0)
    _pushed(queue, "b", pictures=4)
    assert queue.excess_s(0.0) == pytest.approx(1.0)


def test_kinds_are_told_apart() -> None:
    queue = Queue(1, 5.0)
    for _ in range(3):
        queue.served(Place("", "lite", 0.0), 0.02)
        queue.served(Place("", "m2fp", 0.0), 2.0)
    assert queue.expected_s("lite") == pytest.approx(0.02)
    assert queue.expected_s("never seen") == 2.0  # the longest, so that too much is not let in


def test_a_picture_that_waited_for_a_network_is_no_measure() -> None:
    queue = Queue(1, 5.0)
    queue.served(Place("", "lite", 0.0), 8.0)
    assert queue.expected_s("lite") < 1
    for _ in range(3):
        queue.served(Place("", "lite", 0.0), 0.02)
    assert queue.expected_s("lite") < 0.2


def test_a_place_counts_until_no_process_has_it() -> None:
    queue = Queue(1, 5.0)
    place = _pushed(queue, "a")
    assert queue.pop() is place
    assert (len(queue), queue.waiting) == (1, 0)
    assert queue.estimate_s(0.0) > 0
    queue.leave(place)
    queue.leave(place)
    assert queue.estimate_s(0.0) == 0


def test_whoever_leaves_is_not_served() -> None:
    queue = Queue(1, 5.0)
    gone, stays = _pushed(queue, "a"), _pushed(queue, "a")
    assert queue.withdraw(gone)
    assert not queue.withdraw(gone)
    assert queue.pop() is stays
    assert not queue.withdraw(stays)
    assert queue.pop() is None


def test_slow_senders_keep_nobody_out() -> None:
    queue = Queue(1, 0.01)
    place = queue.enter("slow", "lite", 0.0)
    assert queue.excess_s(0.0) > 0
    assert queue.excess_s(UPLOAD_S) <= 0
    queue.push(place)
    assert queue.excess_s(UPLOAD_S) > 0


def test_when_to_come_back() -> None:
    assert retry_after_s(0.01, 0.0) == 1
    assert retry_after_s(4.0, 0.0) == 4
    assert retry_after_s(10.0, 0.99) == 13
