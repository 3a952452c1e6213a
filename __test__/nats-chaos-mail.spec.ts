// Mail for agents that are away, while servers are killed and come again.
import { expect, test } from 'vitest'
import { agent, on, open, read, start, stream, until } from './helpers/nats-mail'
import { kill } from './helpers/nats-members'
import { cluster } from './helpers/nats-server'

test('three servers, each killed in turn: nothing that was kept is lost', { timeout: 240_000 }, async () => {
  const servers = await cluster()
  open.push(() => servers.kill())
  const reads = await start(servers.urls.join(','))
  await kill(reads)
  const bus = await on(servers.urls)
  const asker = agent(bus, 'asker')
  const kept: string[] = []
  let isOver = false
  const sending = stream(asker, reads.did, kept, () => isOver || kept.length >= 250)
  await until(() => kept.length > 0)
  for (const at of [0, 1, 2]) {
    const before = kept.length
    await servers.restart(at)
    await until(() => kept.length > Math.min(before + 5, 249))
  }
  isOver = true
  await sending
  const back = await start(servers.urls.join(','))
  await until(() => kept.every((what) => read(back).includes(what)))
  const all = read(back)
  expect(new Set(all).size).toBe(all.length)
})
