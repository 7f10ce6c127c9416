import pytest

from notify_service.circuits import LONGEST_OPEN_SECONDS, OPEN_SECONDS, OPENS_AFTER, SLOW_SECONDS, Circuit
from notify_service.providers import Message, Provider, Route, able, choices
from support.clocks import Time


@pytest.fixture
def time() -> Time:
    return Time()


def failed(circuit: Circuit, times: int = OPENS_AFTER) -> Circuit:
    for _ in range(times):
        circuit.note(failed=True, seconds=0)
    return circuit


def slow(circuit: Circuit) -> Circuit:
    for _ in range(OPENS_AFTER):
        circuit.note(failed=False, seconds=SLOW_SECONDS)
    return circuit


def test_it_opens_by_failures_in_a_row_and_says_so_once(time: Time):
    circuit = Circuit(time)
    changes = [circuit.note(failed=True, seconds=0) for _ in range(OPENS_AFTER + 1)]

    assert changes == [*[None] * (OPENS_AFTER - 1), "opened", None]
    assert circuit.is_open
    assert not circuit.admits()


def test_one_good_answer_in_between_begins_anew(time: Time):
    circuit = failed(Circuit(time), OPENS_AFTER - 1)
    circuit.note(failed=False, seconds=0.1)
    failed(circuit, OPENS_AFTER - 1)

    assert not circuit.is_open


def test_late_answers_open_it_too(time: Time):
    assert slow(Circuit(time)).is_slow
    assert not failed(Circuit(time)).is_slow


def test_after_its_time_one_probe_is_let_through_and_the_next_only_after_another_period(time: Time):
    circuit = failed(Circuit(time))
    time.now += OPEN_SECONDS - 0.01
    assert not circuit.admits()
    time.now += 0.02

    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    time.now += OPEN_SECONDS
    assert circuit.admits(), "a probe that nobody hears of again holds up the others for ever"


def test_a_good_probe_closes_it(time: Time):
    circuit = failed(Circuit(time))
    time.now += OPEN_SECONDS
    circuit.admits()

    assert circuit.note(failed=False, seconds=0.1) == "closed"
    assert all(circuit.admits() for _ in range(3))


@pytest.mark.parametrize("probe", [{"failed": True, "seconds": 0.0}, {"failed": False, "seconds": SLOW_SECONDS}])
def test_a_bad_or_slow_probe_opens_it_for_longer_each_time(time: Time, probe: dict[str, float]):
    circuit = failed(Circuit(time))
    waits = []
    for _ in range(4):
        time.now += circuit.opens_in
        assert circuit.admits()
        circuit.note(failed=bool(probe["failed"]), seconds=probe["seconds"])
        waits.append(circuit.opens_in)

    assert waits == [2 * OPEN_SECONDS, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS, LONGEST_OPEN_SECONDS]


def test_those_that_were_under_way_when_it_opened_make_it_no_longer(time: Time):
    circuit = failed(Circuit(time))
    failed(circuit, 5)

    assert circuit.opens_in == OPEN_SECONDS


class Named(Provider):
    """A provider that is only chosen, never asked."""

    def __init__(self, name: str, only: str = "") -> None:
        self.name, self._only = name, only

    def serves(self, to: str) -> bool:
        """As told."""
        return to.startswith(self._only)

    async def send(self, message: Message) -> str:
        """Never."""
        raise NotImplementedError


def route(name: str, circuit: Circuit, only: str = "") -> Route:
    return Route(Named(name, only), circuit)


def names(routes: list[Route], first: str = "", to: str = "+886912345678", only: str = "") -> list[str]:
    return [each.provider.name for each in choices(able(routes, to, only), first)]


def test_providers_are_asked_in_the_order_of_the_settings(time: Time):
    assert names([route("a", Circuit(time)), route("b", Circuit(time)), route("c", Circuit(time))]) == ["a", "b", "c"]


def test_one_whose_answer_was_lost_is_asked_first(time: Time):
    assert names([route("a", Circuit(time)), route("b", Circuit(time))], first="b") == ["b", "a"]


def test_where_only_one_may_be_asked_nobody_else_is_be_it_left_alone_or_not(time: Time):
    routes = [route("a", Circuit(time)), route("b", failed(Circuit(time)), "+886"), route("c", slow(Circuit(time)))]

    assert names(routes, only="a") == ["a"]
    assert names(routes, only="b") == []
    assert names(routes, only="c") == ["c"]
    assert names(routes, only="b", to="+81312345678") == ["a", "c"]
    assert names(routes, only="gone") == ["a", "c"]


def test_who_fails_is_left_alone_and_who_is_slow_comes_last(time: Time):
    routes = [route("slow", slow(Circuit(time))), route("failing", failed(Circuit(time))), route("c", Circuit(time))]

    assert names(routes) == ["c", "slow"]
    assert names(routes[:2]) == ["slow"]
    assert names(routes[1:2]) == []


def test_who_does_not_serve_the_recipient_is_not_asked_nor_probed(time: Time):
    circuit = failed(Circuit(time))
    time.now += OPEN_SECONDS
    home = route("home", circuit, "+886")

    assert names([home, route("any", Circuit(time))], to="+81312345678") == ["any"]
    assert names([home]) == ["home"]


def test_a_probe_is_taken_only_when_it_is_its_turn(time: Time):
    second = failed(Circuit(time))
    time.now += OPEN_SECONDS
    asked = choices([route("a", Circuit(time)), route("b", second)], "")

    assert next(asked).provider.name == "a"
    assert second.admits(), "the message that went by the first provider used up the second one's probe"
