import { brokers, natsVersion } from '../lib/brokers.mjs'
import { rush } from '../lib/load.mjs'
import { quantile } from '../lib/stats.mjs'
import { callsFor } from './call.mjs'

export const order = 9.8
export const competitors = ['ours', 'nats', 'nats-bound', 'nats-sodium']

const SERVERS = [1, 2, 3]
const AGENTS = 250
const OUTSTANDING = 20
const WARM_UP_MS = 300

export async function run({ quick, compare, peers }) {
  const results = []
  const version = await natsVersion()
  for (const count of quick ? SERVERS.slice(0, 1) : SERVERS) {
    const servers = await brokers(count)
    const where = count === 1 ? 'one server' : `${count} servers`
    const same = `${version}; callers and answerers in a process each${count === 1 ? '' : ', at different servers'}; the others over nats.js`
    try {
      results.push(
        await compare({
          id: `nats-call-${count}`,
          title: `NATS, ${where}: one agent asks another and waits, one call at a time`,
          notes: [same],
          metrics: [
            { key: 'p50', label: 'p50', unit: 'µs', better: 'less' },
            { key: 'p99', label: 'p99', unit: 'µs', better: 'less' },
          ],
          peers,
          count: quick ? 3 : 5,
          params: () => ({ what: 'call', urls: servers.urls, milliseconds: quick ? 150 : 500 }),
        }),
        await compare({
          id: `nats-crowd-${count}`,
          title: `NATS, ${where}: ${2 * AGENTS} agents, ${AGENTS} of which ask the others, ${OUTSTANDING} calls in flight each`,
          notes: [same, 'each round in new processes'],
          metrics: [
            { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
            { key: 'cpuMicros', label: "CPU of the callers' process per call", unit: 'µs', better: 'less' },
          ],
          peers: peers.filter((peer) => peer !== 'nats-bound'),
          count: quick ? 2 : 3,
          fresh: true,
          limitSeconds: 120,
          params: (peer) => ({ what: 'crowd', urls: servers.urls, callsPerAgent: peer === 'nats-sodium' ? 40 : 120 }),
        }),
      )
    } finally {
      await servers.close()
    }
  }
  return results
}

export async function measure(peer, { what, urls, milliseconds, callsPerAgent }, state) {
  if (what === 'crowd') {
    const fleet = await peer.nats(urls, AGENTS)
    await rush(fleet, { agents: AGENTS, callsPerAgent: 4, outstanding: OUTSTANDING })
    const rate = await rush(fleet, { agents: AGENTS, callsPerAgent, outstanding: OUTSTANDING })
    await fleet.close()
    return rate
  }
  if (!state.fleet) {
    state.fleet = await peer.nats(urls, 2)
    await callsFor(state.fleet, WARM_UP_MS)
  }
  const samples = await callsFor(state.fleet, milliseconds)
  const added = peer.added?.() ?? 0
  return { p50: quantile(samples, 0.5) + added, p99: quantile(samples, 0.99) + added }
}
