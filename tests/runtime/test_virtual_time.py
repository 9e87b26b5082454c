"""The virtual loop: asyncio unchanged, time for free, the same every time, and nothing real waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from holdfast.testing import FakeClock, RealWaitError, StuckError, VirtualTimeLoop, run_virtual


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_day_of_sleep_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400)
        return now_s()

    began_s = time.monotonic()
    assert run_virtual(main()) == 86_400
    assert time.monotonic() - began_s < 5


def test_time_stands_still_while_callbacks_run() -> None:
    async def main() -> tuple[float, float]:
        before_s = now_s()
        time.sleep(0.02)  # noqa: ASYNC251  # Real time passes on purpose.
        await asyncio.sleep(0)
        return before_s, now_s()

    assert run_virtual(main()) == (0.0, 0.0)


def test_timers_fire_in_order_of_time_and_of_arming() -> None:
    async def main() -> list[tuple[float, str]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[float, str]] = []

        def fire(name: str) -> None:
            fired.append((loop.time(), name))

        for delay_s, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (0.0, "now")):
            loop.call_later(delay_s, fire, name)
        await asyncio.sleep(3)
        return fired

    assert run_virtual(main()) == [(0.0, "now"), (1.0, "a"), (1.0, "b"), (2.0, "c")]


def test_task_groups_timeouts_queues_and_locks_run_unchanged() -> None:
    async def main() -> list[object]:
        log: list[object] = []
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        lock = asyncio.Lock()

        async def produce() -> None:
            for number in range(3):
                await asyncio.sleep(1)
                await queue.put(number)

        async def consume() -> None:
            for _ in range(3):
                number = await queue.get()
                async with lock:
                    await asyncio.sleep(2)
                log.append((now_s(), number))

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(100)
        log.append(now_s())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 1)
        log.append(now_s())
        return log

    assert run_virtual(main()) == [(3.0, 0), (5.0, 1), (7.0, 2), 12.0, 13.0]


def test_a_failing_member_cancels_its_group() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError("as arranged")

    async def main() -> float:
        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(fail())
                group.create_task(asyncio.sleep(1000))

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert isinstance(caught.value.exceptions[0], LookupError)
        return now_s()

    assert run_virtual(main()) == 1.0


def test_cancelled_timers_are_forgotten_not_kept() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        for _ in range(10_000):
            loop.call_later(1_000_000, print).cancel()
        return len(loop._timers)

    assert run_virtual(main()) < 1000


def interleaving(seed: int | None) -> list[int]:
    async def main() -> list[int]:
        order: list[int] = []

        async def step(number: int) -> None:
            for _ in range(3):
                await asyncio.sleep(1)
                order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(step(number))
        return order

    return run_virtual(main(), seed=seed)


def test_without_a_seed_the_order_is_asyncios_own() -> None:
    assert interleaving(None) == [*range(8), *range(8), *range(8)]


def test_a_seed_draws_the_order_and_draws_it_again() -> None:
    drawn = [interleaving(seed) for seed in range(10)]
    assert drawn == [interleaving(seed) for seed in range(10)]
    assert len({tuple(order) for order in drawn}) > 5
    assert all(sorted(order[:8]) == list(range(8)) for order in drawn)


def test_a_seed_keeps_the_order_of_callbacks_that_asyncio_promises() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        called: list[int] = []
        for number in range(50):
            loop.call_soon(called.append, number)
        await asyncio.sleep(1)
        return called

    for seed in range(20):
        assert run_virtual(main(), seed=seed) == list(range(50))


def test_waiting_for_what_never_comes_is_named_not_hung() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match=r"nothing will ever happen.*main"):
        run_virtual(main())


def test_an_instant_that_never_ends_is_stopped() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110  # What a spinning task does.
            await asyncio.sleep(0)

    with pytest.raises(StuckError, match="and still"):
        run_virtual(main(), max_steps_per_instant=1000)


def test_the_horizon_stops_a_loop_that_would_run_for_ever() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110  # What a supervisor does.
            await asyncio.sleep(60)

    with pytest.raises(StuckError, match="horizon"):
        run_virtual(main(), horizon_s=86_400)


def test_a_due_timer_runs_although_tasks_spin() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        loop.call_later(0, rung.set)
        spins = 0
        while not rung.is_set():
            spins += 1
            await asyncio.sleep(0)
        return spins

    assert run_virtual(main()) < 5


def test_a_delay_lost_in_rounding_still_moves_time() -> None:
    async def main() -> int:
        clock = FakeClock(asyncio.get_running_loop())
        await asyncio.sleep(86_400 / 7)
        until_s = clock.now_s() + 4e-12
        asked = 0
        while clock.now_s() < until_s:
            asked += 1
            await asyncio.sleep(until_s - clock.now_s())
        return asked

    assert run_virtual(main()) <= 2


def test_sockets_are_refused() -> None:
    async def main() -> None:
        with pytest.raises(RealWaitError):
            await asyncio.open_connection("127.0.0.1", 1)
        loop = asyncio.get_running_loop()
        with socket.socket() as sock, pytest.raises(RealWaitError):
            loop.add_reader(sock, print)

    run_virtual(main())


def test_another_thread_is_refused() -> None:
    async def main() -> list[type[BaseException]]:
        loop = asyncio.get_running_loop()
        found: list[type[BaseException]] = []

        def reach_in() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except RuntimeError as error:
                found.append(type(error))

        thread = threading.Thread(target=reach_in)
        thread.start()
        thread.join()
        return found

    assert run_virtual(main()) == [RealWaitError]


def test_executor_calls_run_at_once_in_this_thread() -> None:
    async def main() -> tuple[int, float]:
        return await asyncio.to_thread(threading.get_ident), now_s()

    assert run_virtual(main()) == (threading.get_ident(), 0.0)


def test_an_error_nobody_awaited_fails_the_run() -> None:
    async def main() -> None:
        async def fail() -> None:
            raise LookupError("lost")

        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task

    with pytest.raises(ExceptionGroup) as caught:
        run_virtual(main())
    assert isinstance(caught.value.exceptions[0], LookupError)


def test_the_clock_runs_with_its_loop() -> None:
    async def main() -> tuple[float, float, int]:
        clock = FakeClock(asyncio.get_running_loop())
        before = clock.now_s(), clock.awake_s(), clock.wall_us()
        await asyncio.sleep(10)
        return clock.now_s() - before[0], clock.awake_s() - before[1], clock.wall_us() - before[2]

    assert run_virtual(main()) == (10.0, 10.0, 10_000_000)


def test_a_sleeping_machine_keeps_ageing_and_its_timers_do_not() -> None:
    clock = FakeClock()
    world = clock.world()
    before = clock.now_s(), clock.awake_s(), clock.wall_us(), world.wall_us()
    clock.suspend(8 * 3600)
    assert clock.now_s() - before[0] == 8 * 3600
    assert clock.awake_s() - before[1] == 0
    assert clock.wall_us() - before[2] == world.wall_us() - before[3] == 8 * 3600 * 1_000_000


def test_a_stepped_wall_clock_moves_alone() -> None:
    clock = FakeClock()
    world = clock.world()
    before = clock.now_s(), clock.wall_us(), world.wall_us()
    clock.step_wall(-3600)
    assert clock.now_s() == before[0]
    assert clock.wall_us() - before[1] == -3_600_000_000
    assert world.wall_us() == before[2]
