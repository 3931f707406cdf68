"""Lives and deaths of workers, with processes that do what the test says."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mindspore_serving.server._master import supervisor as supervisor_module
from mindspore_serving.server._master import worker as worker_module
from mindspore_serving.server._master.states import WorkerState
from mindspore_serving.server.control_messages import StopWorker

from .stage import DEVICE_0, DEVICE_1, EXTRA_0, KEY, Stage, until

S = WorkerState


@pytest.fixture(autouse=True)
def short_delays(monkeypatch):
    monkeypatch.setattr(worker_module, "RESTART_DELAYS_S", (0.0, 0.001, 0.002))


@pytest.fixture
def run():
    """Runs a scenario with a new supervisor and stops it afterwards."""

    def run(scenario: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
        async def play() -> None:
            stage = Stage(asyncio.get_running_loop())
            try:
                await scenario(stage)
            finally:
                stage.supervisor.prepare_stop()
                await stage.supervisor.stop(0.01)
                stage.dispatcher.close()
            assert all(process.channel.closed == 1 for process in stage.processes)
            assert not stage.dispatcher.workers

        asyncio.run(play())

    return run


def test_start_waits_for_all_then_starts_the_extra_workers(run):
    async def scenario(stage: Stage) -> None:
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0, EXTRA_0, DEVICE_1]))
        await until(lambda: len(stage.processes) == 2)
        stage.processes[0].ready()
        await asyncio.sleep(0)
        assert not start.done()
        stage.processes[1].ready()
        await until(lambda: len(stage.processes) == 3)
        assert not start.done()
        stage.processes[2].ready()
        await start
        assert stage.states == [S.READY, S.READY, S.READY]

    run(scenario)


def test_extra_workers_are_not_started_for_model_stages_only(run):
    async def scenario(stage: Stage) -> None:
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0, EXTRA_0]))
        await until(lambda: len(stage.processes) == 1)
        stage.processes[0].ready(only_model_stages=True)
        await start
        assert len(stage.processes) == 1

    run(scenario)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (
            lambda process: process.failed("Load model failed"),
            "Fail to start workers: {servable name:add, device id:0, <Load model failed>}",
        ),
        (
            lambda process: process.end(3),
            "Fail to start workers: {servable name:add, device id:0, <last words>}",
        ),
        (
            lambda process: process.end(-signal.SIGSEGV),
            "Fail to start workers because of death of one worker: "
            "{servable name:add, device id:0, <killed by signal 11 (SIGSEGV)>}; the end of worker.log:\nlast words",
        ),
    ],
)
def test_a_failed_start_is_the_callers_error(run, end, text):
    async def scenario(stage: Stage) -> None:
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0, DEVICE_1]))
        await until(lambda: len(stage.processes) == 2)
        end(stage.processes[0])
        with pytest.raises(RuntimeError, match=re.escape(text)):
            await start
        stage.processes[1].end(1)  # whatever dies now is not started again
        assert len(stage.processes) == 2
        assert not stage.gone

    run(scenario)


def test_a_start_can_be_aborted(run):
    async def scenario(stage: Stage) -> None:
        assert not stage.supervisor.abort_start("nothing")
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0]))
        await until(lambda: len(stage.processes) == 1)
        assert stage.supervisor.abort_start("signal SIGINT or SIGTERM")
        with pytest.raises(RuntimeError, match="Fail to start workers because of signal SIGINT or SIGTERM"):
            await start

    run(scenario)


def test_no_process_to_be_had(run):
    async def scenario(stage: Stage) -> None:
        stage.spawner.refusals = 1
        with pytest.raises(RuntimeError, match=r"Start worker failed: .*no more processes"):
            await stage.supervisor.start([DEVICE_0])

    run(scenario)


def test_a_dead_worker_is_replaced_at_once(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        stage.dispatcher.told.clear()
        stage.processes[0].end(-signal.SIGKILL)
        assert stage.states == [S.STARTING]
        assert stage.dispatcher.told == [
            ("starting", 1),  # nothing is answered although no worker is left
            ("drain", 1),
            ("remove", 1, "killed by signal 9 (SIGKILL), perhaps out of memory"),
            ("starting", 1),
        ]
        assert stage.dispatcher.waiting_for[KEY] == 1
        assert stage.processes[1].again
        stage.processes[1].ready()
        assert stage.states == [S.READY]
        assert stage.dispatcher.waiting_for[KEY] == 0

    run(scenario)


@pytest.mark.parametrize("ends", [False, True])
def test_what_a_worker_had_does_not_wait_long_for_its_exit(run, monkeypatch, ends):
    monkeypatch.setattr(supervisor_module, "_WAIT_FOR_EXIT_S", 0.001)

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, DEVICE_1)
        stage.processes[0].close_socket()
        assert ("drain", 1) in stage.dispatcher.told
        assert 1 in stage.dispatcher.workers
        if ends:
            stage.processes[0].end(1)
            stage.processes[2].ready()
        await until(lambda: 1 not in stage.dispatcher.workers)
        assert ("remove", 1, "exit code 1" if ends else "") in stage.dispatcher.told
        await asyncio.sleep(0.01)
        assert sorted(stage.dispatcher.workers) == ([2, 3] if ends else [2])

    run(scenario)


def test_repeated_quick_deaths_end_in_failure(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        stage.processes[0].end(1)
        assert stage.states == [S.STARTING]
        for count in (2, 3):
            stage.processes[-1].end(1)
            assert stage.states == [S.BACKOFF]
            assert stage.dispatcher.waiting_for[KEY] == 0
            await until(lambda count=count: len(stage.processes) == count + 1)
        stage.processes[-1].end(1)
        assert stage.states == [S.FAILED]
        assert stage.gone == 1

    run(scenario)


def test_deaths_at_work_never_end_in_failure(run):
    """A client whose instances kill workers must not end the server."""

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        for count in range(1, 7):
            stage.dispatcher.load = (1, 0, 0.0)
            stage.processes[-1].end(1)
            await until(lambda count=count: len(stage.processes) == count + 1)
            stage.processes[-1].ready()
        assert stage.states == [S.READY]
        assert stage.gone == 0

    run(scenario)


def test_a_death_after_work_was_done_is_the_first_in_a_row(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        for _ in range(6):
            stage.dispatcher.load = (1, 5, 0.0)
            stage.processes[-1].end(1)
            assert stage.states == [S.STARTING]
            stage.processes[-1].ready()

    run(scenario)


def test_having_served_well_forgives_deaths(run, monkeypatch):
    monkeypatch.setattr(worker_module, "SERVED_WELL_S", 0.0)

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        for _ in range(10):
            stage.processes[-1].end(1)
            assert stage.states == [S.STARTING]
            stage.processes[-1].ready()

    run(scenario)


def test_a_replacement_that_says_it_cannot_start_has_failed(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, DEVICE_1)
        stage.processes[0].end(1)
        stage.processes[2].failed("no such file")
        assert stage.states == [S.FAILED, S.READY]
        assert not stage.gone

    run(scenario)


@pytest.mark.parametrize("announced", [True, False])
def test_a_worker_told_to_end_is_not_replaced(run, announced):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, DEVICE_1)
        if announced:
            stage.processes[0].leave()
            assert stage.states == [S.DRAINING, S.READY]
            assert ("drain", 1) in stage.dispatcher.told
            stage.processes[0].end(0)
        else:
            stage.processes[0].end(-signal.SIGTERM)
        assert stage.states == [S.STOPPED, S.READY]
        assert not stage.gone
        stage.processes[1].leave()
        stage.processes[1].end(0)
        assert stage.gone == 1
        assert len(stage.processes) == 2

    run(scenario)


def test_extra_workers_alone_do_not_keep_a_server(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, EXTRA_0)
        stage.processes[0].leave()
        stage.processes[0].end(0)
        assert stage.states == [S.STOPPED, S.READY]
        assert stage.gone == 1

    run(scenario)


def test_without_device_workers_every_worker_counts(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(EXTRA_0)
        stage.processes[0].leave()
        assert not stage.gone
        stage.processes[0].end(0)
        assert stage.gone == 1

    run(scenario)


def test_requests_do_not_wait_for_ever(run, monkeypatch):
    monkeypatch.setattr(supervisor_module, "_WAIT_FOR_REPLACEMENT_S", 0.001)

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, DEVICE_1)
        stage.processes[0].end(1)
        assert not stage.supervisor._wait_timers  # the other worker serves them
        stage.processes[1].end(1)
        await until(lambda: stage.dispatcher.told.count(("fail waiting", *KEY)) == 2)  # later ones neither

    run(scenario)


def test_a_silent_worker_is_warned_about_once_and_lives(run, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(supervisor_module.log, "warning", lambda text, *args: warnings.append(text % args))

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)
        for load in ((0, 17, 99.0), (3, 17, 59.0)):
            stage.dispatcher.load = load
            stage.supervisor._check_health()
            assert not warnings
        stage.dispatcher.load = (3, 17, 61.0)
        for _ in range(3):
            stage.supervisor._check_health()
        assert warnings == ["worker add version 1 device0 has 3 instances but completed none for 61 s"]
        assert not stage.processes[0].killed

    run(scenario)


def test_memory_that_is_kept_is_warned_about_each_time_it_has_doubled(run, monkeypatch):
    warnings: list[str] = []
    monkeypatch.setattr(supervisor_module.log, "warning", lambda text, *args: warnings.append(text % args))

    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0)

        def warned(kept_mib: int) -> bool:
            before = len(warnings)
            stage.dispatcher.memory = (kept_mib << 20, 1 << 30)
            stage.supervisor._check_health()
            return len(warnings) > before

        kept = [0, 127, 128, 255, 100, 256, 256, 511, 1024]
        assert [mib for mib in kept if warned(mib)] == [128, 256, 1024]
        assert warnings[0].startswith(
            "worker add version 1 device0: 128 of the 1024 MiB for its requests have been in use for more than 15 s"
        )
        stage.processes[0].end(1)
        await until(lambda: len(stage.processes) == 2)
        stage.processes[1].ready()
        assert warned(128), "the new process begins anew"

    run(scenario)


def test_stop_asks_then_kills(run):
    async def scenario(stage: Stage) -> None:
        await stage.serve(DEVICE_0, DEVICE_1)
        stage.processes[1].stubborn = True
        stage.supervisor.prepare_stop()
        await stage.supervisor.stop(0.001)
        assert [process.killed for process in stage.processes] == [False, True]
        assert all(process.sent == [StopWorker()] for process in stage.processes)
        assert stage.states == [S.STOPPED, S.STOPPED]
        assert len(stage.processes) == 2
        assert not stage.gone

    run(scenario)


def test_stop_during_a_start_and_a_backoff(run):
    async def scenario(stage: Stage) -> None:
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0]))
        await until(lambda: len(stage.processes) == 1)
        stage.supervisor.prepare_stop()
        with pytest.raises(RuntimeError, match="the server was stopped"):
            await start
        await stage.supervisor.stop(1)
        assert stage.states == [S.STOPPED]

    run(scenario)


def test_a_worker_that_the_dispatcher_refuses_fails_the_start(run):
    async def scenario(stage: Stage) -> None:
        stage.dispatcher.refuse_worker = "methods differ"
        start = asyncio.ensure_future(stage.supervisor.start([DEVICE_0]))
        await until(lambda: len(stage.processes) == 1)
        stage.processes[0].ready()
        with pytest.raises(RuntimeError, match="<methods differ>"):
            await start

    run(scenario)
