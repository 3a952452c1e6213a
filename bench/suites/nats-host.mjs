import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { AutoGenxBindAgent } from '../../dist/index.mjs'
import { connect } from '../../dist/nats.mjs'
import { brokers, natsVersion } from '../lib/brokers.mjs'
import { timeAsync } from '../lib/time.mjs'

export const order = 9.9
export const competitors = ['ours']

const SIZES = [1000, 3000, 10_000]
const SAMPLE = 100

export async function run({ quick, compare, peers }) {
  const version = await natsVersion()
  const metric = (key, label, unit, digits) => ({ key, label, unit, digits, better: 'less' })
  const results = []
  for (const agents of quick ? SIZES.slice(0, 1) : SIZES) {
    const servers = await brokers(1)
    try {
      const measured = {
        peers,
        count: 1,
        fresh: true,
        compact: true,
        limitSeconds: 300,
        params: () => ({ agents, urls: servers.urls, monitors: servers.monitors, seconds: quick ? 10 : 20 }),
      }
      const size = agents.toLocaleString('en')
      const all = await compare({
        ...measured,
        id: `nats-host-${agents}`,
        title: `NATS: ${size} agents of one process, each with a name, and another process that knows them all`,
        notes: [
          `${version}; ${2 * SAMPLE} calls of the other process to ${SAMPLE} of them, by name and by DID, were answered`,
          'there: until the other process knows all with their names; gone: until it knows none any more; presence: while nobody calls',
        ],
        metrics: [
          metric('there', 'there', 's', 1),
          metric('resident', 'here', 'KiB/agent', 1),
          metric('known', 'there', 'KiB/agent', 1),
          metric('messages', 'presence, in', '1/s', 0),
          metric('kibIn', 'in', 'KiB/s', 0),
          metric('kibOut', 'out', 'KiB/s', 0),
          metric('cpu', 'CPU here', '%', 1),
          metric('cpuThere', 'CPU there', '%', 1),
          metric('byDid', 'call out by DID', 'µs', 0),
          metric('byName', 'by name', 'µs', 0),
          metric('gone', 'gone', 's', 1),
        ],
      })
      results.push(all)
    } finally {
      await servers.close()
    }
  }
  return results
}

export async function measure(_, { agents: count, urls: [url], monitors, seconds }) {
  const space = `host-${process.pid}`
  const other = fork(fileURLToPath(new URL('../peers/nats-watcher.mjs', import.meta.url)), { serialization: 'advanced', execArgv: ['--expose-gc'] })
  const ask = (message) => {
    other.send(message)
    return once(other, 'message').then(([answer]) => answer)
  }
  await ask({ url, space })
  const connected = await connect({ servers: url, namespace: space })
  if (!connected.ok) throw connected.error
  const bus = connected.value
  const before = [await settled(), await ask({ verb: 'cost' })]
  const begun = performance.now()
  const names = Array.from({ length: count }, (_, at) => `agent-${at}`)
  const agents = names.map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus } }).handle(({ payload }) => payload))
  await ask({ verb: 'there', count })
  const there = (performance.now() - begun) / 1000
  const every = Math.floor(count / SAMPLE)
  const { wrong } = await ask({ verb: 'sample', names: names.filter((_, at) => at % every === 0) })
  if (wrong > 0) throw new Error(`${wrong} calls were not answered`)
  const during = [await settled(), await ask({ verb: 'cost' })]
  const idle = await presence(monitors, seconds)
  const after = [await settled(), await ask({ verb: 'cost' })]
  const out = await callsOut(agents[0], bus)
  const closing = performance.now()
  for (const agent of agents) agent.close()
  await ask({ verb: 'there', count: 0 })
  const gone = (performance.now() - closing) / 1000
  await bus.drain()
  other.disconnect()
  // After some idle seconds, when V8 has given back what making them has left behind.
  const perAgent = (at) => (after[at].rss - before[at].rss) / 1024 / count
  const cpu = (at) => ((micros(after[at].cpu) - micros(during[at].cpu)) / 1e4) / seconds
  return { there, gone, resident: perAgent(0), known: perAgent(1), ...idle, cpu: cpu(0), cpuThere: cpu(1), ...out }
}

const micros = ({ user, system }) => user + system

async function settled() {
  for (let i = 0; i < 4; i += 1) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { rss: process.memoryUsage().rss, cpu: process.cpuUsage() }
}

/** What the servers carry in some seconds, from one renewal to another. */
async function presence(monitors, seconds) {
  const look = async () => {
    const all = await Promise.all(monitors.map(async (monitor) => (await fetch(`${monitor}/varz`)).json()))
    return (key) => all.reduce((sum, each) => sum + each[key], 0)
  }
  const before = await look()
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const after = await look()
  const rate = (key) => (after(key) - before(key)) / seconds
  return { messages: rate('in_msgs'), kibIn: rate('in_bytes') / 1024, kibOut: rate('out_bytes') / 1024 }
}

/** Calls of one of these agents to the other process. */
async function callsOut(agent, bus) {
  const watcher = bus.agents().find(({ name }) => name === 'watcher')
  const to = async (whom) => {
    const answer = await agent.call(whom, null)
    if (!answer.ok) throw answer.error
  }
  await timeAsync(() => to('watcher'), 200)
  return { byDid: await timeAsync(() => to(watcher.did), 500), byName: await timeAsync(() => to('watcher'), 500) }
}
