from streamer.web.stills.keeper import KEEP_S, Keeper, Result


def _result(name: str, size: int = 0, made_s: float = 0.0) -> Result:
    return Result(name, name.encode(), bytes(size), b"", made_s)


def test_the_same_question_has_the_same_answer() -> None:
    keeper = Keeper(10_000)
    kept = _result("a")
    assert keeper.by_key(b"a", 0.0) is None
    keeper.keep(kept)
    assert keeper.by_key(b"a", 0.0) is kept
    assert keeper.by_id("a", 0.0) is kept
    assert (keeper.hits, keeper.misses) == (1, 1)


def test_bytes_are_bounded_and_the_least_used_goes() -> None:
    keeper = Keeper(5_000)
    for name in "abc":
        keeper.keep(_result(name, 1_000))
    keeper.by_id("a", 0.0)
    keeper.keep(_result("d", 1_000))
    assert keeper.size_bytes <= 5_000
    assert [name for name in "abcd" if keeper.by_id(name, 0.0)] == ["a", "c", "d"]
    assert keeper.was_here("b")
    assert not keeper.was_here("never")
    assert keeper.by_key(b"b", 0.0) is None


def test_answers_count() -> None:
    keeper = Keeper(5_000)
    old, new = _result("old", 1_000), _result("new", 1_000)
    keeper.keep(old)
    keeper.keep(new)
    keeper.add_answer(new, "png", bytes(2_500))
    assert keeper.by_id("old", 0.0) is None
    assert keeper.size_bytes == new.size_bytes
    keeper.add_answer(old, "png", bytes(2_500))  # it is not kept any more
    assert keeper.size_bytes == new.size_bytes


def test_what_is_too_large_is_not_kept() -> None:
    keeper = Keeper(1_000)
    keeper.keep(_result("small"))
    assert not keeper.keep(_result("large", 1_001))
    assert keeper.by_id("small", 0.0) is not None
    assert not Keeper(0).keep(_result("any"))


def test_results_go_after_a_while() -> None:
    keeper = Keeper(10_000)
    keeper.keep(_result("a", made_s=100.0))
    assert keeper.by_id("a", 100.0 + KEEP_S) is not None
    assert keeper.by_id("a", 100.1 + KEEP_S) is None
    assert keeper.was_here("a")
    assert keeper.size_bytes == 0


def test_a_newer_result_takes_the_place_of_the_older() -> None:
    keeper = Keeper(10_000)
    keeper.keep(Result("first", b"key", b"", b"", 0.0))
    keeper.keep(Result("second", b"key", b"", b"", 0.0))
    found = keeper.by_key(b"key", 0.0)
    assert found is not None
    assert found.id == "second"
    assert len(keeper) == 1
