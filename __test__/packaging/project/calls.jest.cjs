const { AutoGenxBindAgent, XBindError } = require('@private.me/autogen')

test('agents call each other', async () => {
  const researcher = new AutoGenxBindAgent({ name: 'researcher' })
  const writer = new AutoGenxBindAgent({ name: 'writer' })
  researcher.handle(({ payload }) => [payload])
  writer.handle(({ payload }) => ({ drafted: payload }))
  expect(await researcher.call('writer', 'identity')).toStrictEqual({ ok: true, value: { drafted: 'identity' } })
  expect(await writer.call('researcher', 1)).toStrictEqual({ ok: true, value: [1] })
  const { error } = await writer.call('nobody', null)
  expect(error).toBeInstanceOf(XBindError)
  expect(error).toBeInstanceOf(Error)
})
