// A process that calls an agent again and again, whether or not it is answered, until it is told to stop: how each call ended
// comes on standard output. Its times are those of the machine.
import { AutoGenxBindAgent } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'

const [, , servers, to, everyMs, timeoutMs, label = 'call'] = process.argv
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const connected = await connect({ servers: servers.split(',') })
if (!connected.ok) throw connected.error
const bus = connected.value
const agent = new AutoGenxBindAgent({ agentOptions: { bus, timeoutMs: Number(timeoutMs) } })
say({ did: agent.getDID(), pid: process.pid })

let next = 0
const running = new Set()
async function ask() {
  const asked = `${label} ${(next += 1)}`
  const began = Date.now()
  const answer = await agent.call(to, asked)
  const { code = 'ok', handled = 'yes' } = answer.error ?? {}
  say({ asked, began, ended: Date.now(), code, handled })
}
const asking = setInterval(() => {
  const call = ask().finally(() => running.delete(call))
  running.add(call)
}, Number(everyMs))
process.stdin.once('data', async () => {
  clearInterval(asking)
  say({ all: next })
  while (running.size > 0) await Promise.all(running)
  say({ over: next })
  await bus.drain()
  process.exit()
})
