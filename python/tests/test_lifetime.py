"""Event loops, threads, forks, and the end of the interpreter."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from private_me import Agent, MessageBus, XBindError


def run(program: str, *arguments: str) -> str:
    """What a program of its own says; it ends by itself, and well."""
    command = [sys.executable, "-X", "faulthandler", "-W", "error", "-c", textwrap.dedent(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    assert done.stderr == ""
    return done.stdout


def test_agents_made_before_any_loop_live_in_each_that_runs():
    bus = MessageBus()
    asker, teller = Agent("asker", bus=bus), Agent("teller", bus=bus, handler=lambda call: call.payload)
    for number in range(3):
        assert asyncio.run(asker.call("teller", number)) == number

    async def answer(call):
        await asyncio.sleep(0)
        return call.payload

    teller.handle(answer)
    assert asyncio.run(asker.call("teller", "x")) == "x"
    asyncio.run(asker.close())
    asyncio.run(teller.close())


def test_a_loop_that_ends_in_the_middle_of_a_call_takes_nothing_with_it():
    bus = MessageBus()
    asker, teller = Agent("asker", bus=bus), Agent("teller", bus=bus, handler=lambda call: asyncio.sleep(60))

    async def begin():
        asyncio.create_task(asker.call("teller"))
        await asyncio.sleep(0.01)

    asyncio.run(begin())
    teller.handle(lambda call: "well")
    assert asyncio.run(asker.call("teller")) == "well"
    asyncio.run(asker.close())
    asyncio.run(teller.close())


def test_a_loop_that_is_closed_without_ceremony_takes_nothing_with_it():
    bus = MessageBus()
    asker, teller = Agent("asker", bus=bus), Agent("teller", bus=bus, handler=lambda call: call.payload)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(asker.call("teller", 1)) == 1
    task = loop.create_task(asker.call("teller", 2))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert not task.done()
    task._log_destroy_pending = False  # that is what is tried
    loop.close()
    assert asyncio.run(asker.call("teller", 3)) == 3
    asyncio.run(asker.close())
    asyncio.run(teller.close())


def test_an_agent_lives_in_the_loop_in_which_it_is_made_though_another_is_open():
    bus = MessageBus.shared("loops")
    idle = asyncio.new_event_loop()
    first = Agent("first", bus=bus)
    idle.run_until_complete(first.receive())
    ready, over = threading.Event(), threading.Event()

    def call() -> object:
        async def ask() -> object:
            ready.wait()
            async with Agent("caller", bus=bus) as caller:
                return await caller.call("second", 1, timeout=20)

        try:
            return asyncio.run(ask())
        finally:
            over.set()

    async def serve() -> object:
        Agent("second", bus=bus, handler=lambda call: call.payload)
        answer = asyncio.create_task(asyncio.to_thread(call))
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.01)
        return await answer

    assert asyncio.run(serve()) == 1
    idle.close()
    bus.close()


def test_agents_of_several_threads_call_each_other():
    bus = MessageBus.shared("threads")
    ready, over = threading.Barrier(4), threading.Event()
    done: list[int] = []
    failed: list[BaseException] = []

    async def serve(number: int) -> None:
        async with Agent(f"teller{number}", bus=bus, handler=lambda call: [number, call.payload]) as agent:
            ready.wait()
            peers = [f"teller{other}" for other in range(3) if other != number]
            for round in range(50):
                answers = await asyncio.gather(*(agent.call(peer, round) for peer in peers for _ in range(4)))
                assert sorted(answers) == sorted([[int(peer[-1]), round] for peer in peers for _ in range(4)])
            done.append(number)
            while not over.is_set():
                await asyncio.sleep(0.01)

    def thread(number: int) -> None:
        try:
            asyncio.run(serve(number))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    ready.wait()

    async def call() -> None:
        async with Agent("main", bus=bus) as agent:
            for number in range(3):
                assert await agent.call(f"teller{number}", "hello") == [number, "hello"]
            while len(done) < 3 and not failed:
                await asyncio.sleep(0.01)

    try:
        asyncio.run(call())
    finally:
        over.set()
        for each in threads:
            each.join()
    assert not failed
    assert bus.agents() == []


def test_a_thread_that_ends_closes_its_agents():
    bus = MessageBus()

    def leave() -> None:
        Agent("forgotten", bus=bus)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    gc.collect()
    assert bus.agents() == []


def test_an_agent_belongs_to_its_thread(bus):
    agent = Agent("main", bus=bus)
    told: list[str] = []

    def use() -> None:
        uses = [
            lambda: asyncio.run(agent.call("main")),
            lambda: asyncio.run(agent.receive()),
            lambda: asyncio.run(agent.close()),
            lambda: asyncio.run(agent.__aenter__()),
            lambda: asyncio.run(agent.describe()),
            lambda: agent.handle(print),
            lambda: agent.grant(subject=agent.did, audience="x", scopes=[]),
        ]
        for each in uses:
            try:
                each()
                told.append("nothing")
            except RuntimeError as error:
                told.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert all("another thread" in each for each in told), told
    assert len(told) == 7
    asyncio.run(agent.close())


def test_an_agent_of_a_thread_that_has_ended_is_nobody_else(bus):
    """Neither the number of the thread nor its event loop, both of which may be used again, makes it another's agent."""
    loop = asyncio.new_event_loop()
    kept: list[Agent] = []
    told: list[str] = []

    def make() -> None:
        agent = Agent("first", bus=bus, handler=lambda call: call.sender)
        kept.append(agent)
        loop.run_until_complete(agent.receive())

    def use() -> None:
        async def call() -> None:
            async with Agent("second", bus=bus), Agent("teller", bus=bus, handler=lambda call: call.sender):
                for ask in (kept[0].call("teller"), kept[0].export_identity(), kept[0].close()):
                    try:
                        told.append(str(await ask))
                    except RuntimeError as error:
                        told.append(str(error))

        loop.run_until_complete(call())

    for target in (make, use):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    loop.close()
    assert len(told) == 3 and all("another thread" in each for each in told), told


async def test_calls_come_through_while_other_threads_hold_the_interpreter(bus):
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        async with Agent("a", bus=bus) as a, Agent("b", bus=bus, handler=lambda call: call.payload):
            answers = await asyncio.gather(*(a.call("b", number) for number in range(500)))
            assert answers == list(range(500))
    finally:
        over.set()
        for each in threads:
            each.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_told_and_its_parent_goes_on():
    program = """
        import asyncio, os, sys, warnings
        warnings.simplefilter("ignore")
        from private_me import Agent, Identity
        async def main():
            async with Agent("a") as a, Agent("b", handler=lambda call: call.payload):
                assert await a.call("b", 1) == 1
                child = os.fork()
                if child == 0:
                    told = []
                    for use in (lambda: Agent("c"), lambda: a.handle(print)):
                        try: use()
                        except RuntimeError as error: told.append("fork" in str(error))
                    try: await a.call("b", 2)
                    except RuntimeError as error: told.append("fork" in str(error))
                    os._exit(0 if told == [True] * 3 else 1)
                _, status = os.waitpid(child, 0)
                print(status, await a.call("b", 3))
        asyncio.run(main())
    """
    assert run(program).strip() == "0 3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_before_any_agent_has_its_own():
    program = """
        import asyncio, os
        from private_me import Agent
        child = os.fork()
        async def main():
            async with Agent("a") as a, Agent("b", handler=lambda call: call.payload):
                return await a.call("b", 1)
        assert asyncio.run(main()) == 1
        if child == 0: os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    run(program)


EXITS = {
    "the end": "pass",
    "sys.exit": "sys.exit(0)",
    "in a handler": "Agent('c', bus=bus, handler=lambda call: sys.exit(0)); await agents[0].call('c', timeout=5)",
    "os._exit": "os._exit(0)",
}


@pytest.mark.parametrize("how", EXITS)
def test_the_interpreter_ends_with_calls_under_way(how):
    program = f"""
        import asyncio, os, sys, threading
        from private_me import Agent, MessageBus
        bus = MessageBus.shared("exit")
        async def serve():
            Agent("far", bus=bus, handler=lambda call: call.payload)
            await asyncio.sleep(3600)
        threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
        async def main():
            agents = Agent("a", bus=bus), Agent("b", bus=bus, handler=lambda call: asyncio.sleep(3600))
            while not [each for each in bus.agents() if each.name == "far"]: await asyncio.sleep(0.001)
            await agents[0].call("far", 1)
            for number in range(200):
                asyncio.create_task(agents[0].call("b"))
                asyncio.create_task(agents[0].call("far", "x" * 1000))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            {EXITS[how]}
        asyncio.run(main())
    """
    began = time.monotonic()
    for _ in range(3):
        run(program)
    assert time.monotonic() - began < 100


async def test_a_loop_that_reads_no_sockets_is_woken_all_the_same(bus):
    class Proactor(asyncio.SelectorEventLoop):
        def add_reader(self, *_):
            raise NotImplementedError

    told: list[object] = []

    def serve(until: threading.Event, ready: threading.Event) -> None:
        async def main() -> None:
            async with Agent("far", bus=bus, handler=lambda call: call.payload):
                ready.set()
                while not until.is_set():
                    await asyncio.sleep(0.01)

        # The loop's own wake socket is read as always.
        loop = type("Loop", (asyncio.SelectorEventLoop,), {"add_reader": Proactor.add_reader})()
        told.append(loop.run_until_complete(main()))
        loop.close()

    until, ready = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve, args=(until, ready))
    thread.start()
    ready.wait()
    async with Agent("near", bus=bus) as near:
        for number in range(100):
            assert await near.call("far", number) == number
    until.set()
    await asyncio.to_thread(thread.join)
    assert told == [None]


async def test_agents_that_closed_are_given_back(bus):
    import weakref

    kept = []
    for number in range(50):
        async with Agent(f"a{number}", bus=bus) as a, Agent(f"b{number}", bus=bus) as b:

            @b.method
            async def echo(payload: int) -> int:
                return payload

            assert await a.call(b.did, 1, method="echo") == 1
            kept.append(weakref.ref(a))
            kept.append(weakref.ref(b))
            del echo
    del a, b
    await asyncio.sleep(0)
    gc.collect()
    assert [each for each in kept if each() is not None] == []


async def test_errors_can_be_pickled_and_secrets_cannot(teller):
    import copy
    import pickle

    from private_me import Identity

    error = pickle.loads(pickle.dumps(XBindError("TIMEOUT", "x", "y", True, "unknown", "id")))
    assert (error.code, error.hint, error.retryable, error.handled, error.message_id) == ("TIMEOUT", "y", True, "unknown", "id")
    identity = Identity.from_seed(bytes(range(32)))
    for secret in (identity, teller):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                take(secret)
        assert bytes(range(32)).hex() not in repr(secret)
        assert not hasattr(secret, "__dict__")
