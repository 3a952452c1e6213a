// The same agents in one process and in several: node examples/nats/index.mjs starts a nats-server and two workers that serve
// one name, and kills one of them at work.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'
import { started } from './server.mjs'

const valueOf = (result) => (result.ok ? result.value : assert.fail(result.error))
const soon = () => new Promise((resolve) => setTimeout(resolve, 50))

if (process.send) {
  const [, , servers, key] = process.argv
  const bus = valueOf(await connect({ servers }))
  const agentOptions = { bus }
  const worker = valueOf(
    await AutoGenxBindAgent.fromIdentity(Buffer.from(key, 'base64'), { name: 'worker', agentOptions }),
  )
  worker.handle('where', () => process.pid)
  worker.handle('ponder', () => new Promise(() => process.send('pondering')))
  process.send('here')
} else {
  const { servers, stop } = await started()
  const bus = valueOf(await connect({ servers }))
  const boss = new AutoGenxBindAgent({ name: 'boss', agentOptions: { bus } })

  // Two processes with one identity: whoever calls it reaches either.
  const identity = new AutoGenxBindAgent()
  const key = Buffer.from(valueOf(await identity.exportIdentity())).toString('base64')
  const workers = [0, 1].map(() => fork(new URL(import.meta.url).pathname, [servers, key]))
  await Promise.all(workers.map((worker) => once(worker, 'message')))

  const asked = new Set()
  while (asked.size < 2) asked.add(valueOf(await boss.call('worker', null, { method: 'where' })))
  assert.deepEqual(asked, new Set(workers.map(({ pid }) => pid)))
  console.log('two processes     one name, one DID, and either answers')

  const pondering = boss.call('worker', null, { method: 'ponder' })
  const atWork = await Promise.race(workers.map((worker) => once(worker, 'message').then(() => worker)))
  atWork.kill('SIGKILL')
  const { error } = await pondering
  assert.deepEqual([error.code, error.handled], ['AGENT_CLOSED', 'unknown'])
  console.log('killed at work   ', error.code, '- did it run?', error.handled)

  const other = workers.find((worker) => worker !== atWork)
  for (let n = 0; n < 5; n++) assert.equal(valueOf(await boss.call('worker', null, { method: 'where' })), other.pid)
  console.log('called once more  the other one answers')

  other.kill('SIGKILL')
  while (bus.agents().length > 1) await soon()
  assert.equal((await boss.call('worker', null)).error.code, 'AGENT_NOT_FOUND')
  console.log('none is left      AGENT_NOT_FOUND, at once')

  await bus.drain()
  await stop()
  console.log('All as expected.')
}
