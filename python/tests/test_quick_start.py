"""What is promised in the quick start, as it is written there."""

from private_me import autogen_xbind


async def test_the_quick_start_runs_as_written(capsys):
    # fmt: off
    researcher = autogen_xbind.AutoGenxBindAgent(name='researcher')
    writer = autogen_xbind.AutoGenxBindAgent(name='writer')

    result = await researcher.call(writer.get_did(), {
        'task': 'write-summary',
        'topic': 'AI trends'
    })

    if result['ok']:
        print('Result:', result['value'])
    # fmt: on
    assert capsys.readouterr().out.startswith("Result: DeliveryReceipt(")
    messages = await writer.receive()
    assert [each.payload for each in messages["value"]] == [{"task": "write-summary", "topic": "AI trends"}]
    assert messages["value"][0].sender == researcher.get_did()
    await researcher.close()
    await writer.close()
