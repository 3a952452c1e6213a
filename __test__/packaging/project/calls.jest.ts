import { AutoGenxBindAgent, XBindError } from '@private.me/autogen'

test('agents call each other', async () => {
  const researcher = new AutoGenxBindAgent({ name: 'researcher' })
  const writer = new AutoGenxBindAgent({ name: 'writer' })
  researcher.handle<number, number[]>(({ payload }) => [payload])
  writer.handle<string>(({ payload }) => ({ drafted: payload }))
  expect(await researcher.call('writer', 'identity')).toStrictEqual({ ok: true, value: { drafted: 'identity' } })
  expect(await writer.call('researcher', 1)).toStrictEqual({ ok: true, value: [1] })
  const nobody = await writer.call('nobody', null)
  expect(!nobody.ok && nobody.error).toBeInstanceOf(XBindError)
})
