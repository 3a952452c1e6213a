// Mail for agents of other processes that are away, over a nats-server.
import { AutoGenxBindAgent, isReceipt } from '@private.me/autogen'
import { expect, test } from 'vitest'
import { agent, on, open, read, start, stream, until } from './helpers/nats-mail'
import { kill, type Process } from './helpers/nats-members'
import { broker } from './helpers/nats-server'
import { codeOf, errorOf, valueOf } from './helpers/result'

test('an agent that is away finds its mail when it is back', { timeout: 120_000 }, async () => {
  const server = await broker()
  open.push(() => server.kill())
  const bus = await on(server.url)
  const asker = agent(bus, 'asker')
  const first = await on(server.url)
  const writer = agent(first, 'writer', 9)
  expect(codeOf(await first.mailbox(writer))).toBe('ok')
  for (const retainSeconds of [-1, 1.5, Number.NaN, 604_801])
    expect(codeOf(await first.mailbox(writer, { retainSeconds }))).toBe('INVALID_CONFIG')
  await expect(first.mailbox({} as AutoGenxBindAgent)).rejects.toThrow(TypeError)
  const did = writer.getDID()
  await until(() => bus.agents().length === 2)
  expect(valueOf(await asker.send('writer', 'here')).status).toBe('delivered')
  await first.drain()
  expect(codeOf(await first.mailbox(writer))).toBe('AGENT_CLOSED')
  await until(() => bus.agents().length === 1)
  const kept = valueOf(await asker.send(did, { n: 1 }))
  expect(kept).toEqual({ status: 'kept', messageId: kept.messageId, to: did })
  expect(isReceipt(kept)).toBe(false)
  expect(valueOf(await asker.send('writer', 'by its name'))).toMatchObject({ status: 'kept', to: did })
  expect(errorOf(await asker.call('writer', 1)).code).toBe('AGENT_NOT_FOUND')
  const second = await on(server.url)
  const back = agent(second, 'writer', 9)
  valueOf(await second.mailbox(back, { retainSeconds: 3600 }))
  const letters = back.messages()
  expect((await letters.next()).value).toMatchObject({ from: asker.getDID(), payload: { n: 1 } })
  expect((await letters.next()).value).toMatchObject({ from: asker.getDID(), payload: 'by its name' })
  expect(valueOf(await back.receive({ waitMs: 300 }))).toEqual([])
  valueOf(await second.mailbox(back, { retainSeconds: 0 }))
  await second.drain()
  await until(() => bus.agents().length === 1)
  expect(codeOf(await asker.send(did, 2))).toBe('AGENT_NOT_FOUND')
})

test(
  'readers are killed while mail streams in: none twice, and what is lost was about to be read',
  { timeout: 180_000 },
  async () => {
    const server = await broker()
    open.push(() => server.kill())
    const bus = await on(server.url)
    const asker = agent(bus, 'asker')
    const seeds = await start(server.url)
    await kill(seeds)
    const kept: string[] = []
    let isOver = false
    const sending = stream(asker, seeds.did, kept, () => isOver)
    const processes: Process[] = []
    for (let round = 0; round < 4; round += 1) {
      const [before, waiting] = [read(...processes).length, kept.length]
      await until(() => kept.length >= waiting + 25) // nobody is there
      const next = await start(server.url)
      processes.push(next)
      await until(() => read(...processes).length >= before + 20)
      await kill(next)
    }
    isOver = true
    await sending
    processes.push(await start(server.url))
    // Each that was killed may have noted one that it had not read yet.
    const missing = (): string[] => kept.filter((what) => !read(...processes).includes(what))
    await until(() => missing().length <= 4)
    const all = read(...processes)
    expect(new Set(all).size).toBe(all.length)
  },
)
