// Agents of this package on NATS. They are called by name.
import { AutoGenxBindAgent } from '../../dist/index.mjs'
import { connect } from '../../dist/nats.mjs'

async function crowd(url, namespace, names, handler) {
  const connected = await connect({ servers: url, namespace })
  if (!connected.ok) throw connected.error
  const bus = connected.value
  const agents = names.map((name) => {
    const agent = new AutoGenxBindAgent({ name, agentOptions: { bus, timeoutMs: 100_000 } })
    return handler ? agent.handle(handler) : agent
  })
  for (const agent of agents) {
    const named = await bus.named(agent)
    if (!named.ok) throw named.error
  }
  return { bus, agents }
}

const names = (what, count) => Array.from({ length: count }, (_, at) => `${what}-${at}`)

export async function answers(url, space, count, handler) {
  await crowd(url, space, names('agent', count), handler)
  return { shown: true }
}

export async function calls(url, space, count) {
  const { bus, agents } = await crowd(url, space, names('asker', count))
  const areThere = () => new Set(bus.agents().map(({ name }) => name)).size === 2 * count
  while (!areThere()) await new Promise((resolve) => setTimeout(resolve, 20))
  const call = async (from, to, payload) => {
    const answer = await agents[from].call(`agent-${to}`, payload)
    if (answer.ok) return answer.value
    throw answer.error
  }
  return { call, close: () => bus.drain() }
}
