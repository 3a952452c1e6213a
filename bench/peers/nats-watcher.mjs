// Another host of the suite nats-host: it knows of all agents, calls some of them, and says what that costs it.
import { once } from 'node:events'
import { AutoGenxBindAgent } from '../../dist/index.mjs'
import { connect } from '../../dist/nats.mjs'

process.on('disconnect', () => process.exit())
const [{ url, space }] = await once(process, 'message')
const connected = await connect({ servers: url, namespace: space })
if (!connected.ok) throw connected.error
const bus = connected.value
const agent = new AutoGenxBindAgent({ name: 'watcher', agentOptions: { bus } }).handle(() => null)
const named = await bus.named(agent)
if (!named.ok) throw named.error

const does = {
  /** Waits until so many others are known, each with its name. */
  async there({ count }) {
    for (;;) {
      const others = bus.agents().filter(({ did }) => did !== agent.getDID())
      if (others.length === count && others.every(({ name }) => name !== undefined)) return {}
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  },
  async cost() {
    globalThis.gc()
    return { rss: process.memoryUsage().rss, cpu: process.cpuUsage() }
  },
  /** Calls every so many-th of them, by name and by DID: how many did not answer. */
  async sample({ names }) {
    const dids = new Map(bus.agents().map(({ name, did }) => [name, did]))
    let wrong = 0
    for (const name of names) {
      for (const to of [name, dids.get(name)]) {
        const answer = await agent.call(to, name)
        if (!answer.ok || answer.value !== name) wrong += 1
      }
    }
    return { wrong }
  },
}
process.on('message', async ({ verb, ...given }) => process.send(await does[verb](given)))
process.send({ ready: true })
