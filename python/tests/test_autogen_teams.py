"""AutoGen's own teams, unchanged but for the runtime."""

import asyncio

import pytest

for framework in ("autogen_agentchat", "autogen_ext"):
    pytest.importorskip(framework, reason=f"{framework} is not installed: pip install autogen-agentchat autogen-ext")

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent  # noqa: E402
from autogen_agentchat.base import TaskResult  # noqa: E402
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination  # noqa: E402
from autogen_agentchat.messages import TextMessage  # noqa: E402
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat  # noqa: E402
from autogen_core import AgentRuntime, CancellationToken, SingleThreadedAgentRuntime  # noqa: E402
from autogen_ext.models.replay import ReplayChatCompletionClient  # noqa: E402

from private_me import MessageBus  # noqa: E402
from private_me.autogen import XBindRuntime  # noqa: E402

RUNTIMES = [lambda: XBindRuntime(bus=MessageBus()), SingleThreadedAgentRuntime]
pytestmark = pytest.mark.parametrize("make", RUNTIMES, ids=["ours", "theirs"])


def assistant(name: str, *words: str) -> AssistantAgent:
    return AssistantAgent(name, model_client=ReplayChatCompletionClient(list(words)), description=f"{name} knows")


def said(result: TaskResult) -> list[tuple[str, str]]:
    return [(each.source, each.content) for each in result.messages if isinstance(each, TextMessage)]


@pytest.fixture
def runtime(make) -> AgentRuntime:
    return make()


async def test_round_robin(runtime):
    runtime.start()
    writer, critic = assistant("writer", "a poem", "a better poem"), assistant("critic", "too long", "APPROVE")
    team = RoundRobinGroupChat([writer, critic], termination_condition=TextMentionTermination("APPROVE"), runtime=runtime)
    result = await team.run(task="write a poem")
    await runtime.stop_when_idle()
    assert said(result) == [
        ("user", "write a poem"),
        ("writer", "a poem"),
        ("critic", "too long"),
        ("writer", "a better poem"),
        ("critic", "APPROVE"),
    ]
    assert result.stop_reason == "Text 'APPROVE' mentioned"
async def test_a_team_goes_on_is_reset_and_keeps_its_state(runtime):
    runtime.start()

    def team() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([assistant("a", *"123456"), assistant("b", *"xyzuvw")], max_turns=2, runtime=runtime)

    first = team()
    assert [each for _, each in said(await first.run(task="count"))] == ["count", "1", "x"]
    assert [each for _, each in said(await first.run())] == ["2", "y"]
    state = await first.save_state()
    second = team()
    await second.load_state(state)
    assert await second.save_state() == state
    await first.reset()
    assert [each for _, each in said(await first.run(task="again"))][0] == "again"
    await runtime.stop_when_idle()


async def test_a_selector_chooses_who_speaks(runtime):
    runtime.start()
    chooser = ReplayChatCompletionClient(["planner", "searcher", "planner"])
    team = SelectorGroupChat(
        [assistant("planner", "search first", "TERMINATE"), assistant("searcher", "found it")],
        model_client=chooser,
        termination_condition=TextMentionTermination("TERMINATE"),
        runtime=runtime,
        allow_repeated_speaker=True,
    )
    streamed = [each async for each in team.run_stream(task="find it")]
    await runtime.stop_when_idle()
    assert [each for each, _ in said(streamed[-1])] == ["user", "planner", "searcher", "planner"]


async def test_a_team_within_a_team(runtime):
    runtime.start()
    inner = RoundRobinGroupChat([assistant("a", "1", "2"), assistant("b", "x", "y")], max_turns=2, runtime=runtime)
    outer = RoundRobinGroupChat(
        [SocietyOfMindAgent("society", team=inner, model_client=ReplayChatCompletionClient(["so be it"])), assistant("c", "amen")],
        max_turns=2,
        runtime=runtime,
    )
    assert said(await outer.run(task="think"))[-2:] == [("society", "so be it"), ("c", "amen")]
    await runtime.stop_when_idle()


async def test_a_team_is_a_participant(runtime):
    runtime.start()
    inner = RoundRobinGroupChat([assistant("a", "1"), assistant("b", "x")], max_turns=2, name="inner", runtime=runtime)
    outer = RoundRobinGroupChat([inner, assistant("c", "amen")], max_turns=2, runtime=runtime)
    assert said(await outer.run(task="think"))[-1] == ("c", "amen")
    await runtime.stop_when_idle()


async def test_what_an_agent_raises_ends_the_team(runtime):
    runtime.start()
    team = RoundRobinGroupChat([assistant("a")], termination_condition=MaxMessageTermination(5), runtime=runtime)
    with pytest.raises(RuntimeError, match="No more mock responses"):
        await team.run(task="x")


async def test_a_team_is_cancelled(runtime):
    runtime.start()
    begun = asyncio.Event()

    class Slow(AssistantAgent):
        async def on_messages_stream(self, messages, cancellation_token):
            begun.set()
            await asyncio.get_running_loop().create_future()
            yield

    token = CancellationToken()
    team = RoundRobinGroupChat([Slow("slow", model_client=ReplayChatCompletionClient(["x"]))], runtime=runtime)
    run = asyncio.create_task(team.run(task="x", cancellation_token=token))
    await begun.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    if isinstance(runtime, XBindRuntime):
        await runtime.close()
