import { monitorEventLoopDelay } from 'node:perf_hooks'
import { reply, rush } from '../lib/load.mjs'

export const order = 3
export const competitors = ['ours', 'unsigned', 'sodium-native', 'node-crypto']

const AGENTS = 500
const OUTSTANDING = 100
const TIMEOUT_MS = 100_000 // 50,000 calls in flight are seconds of work, more on a slow machine
const SLOW_CALLS = 20
const SLOW = new Set(['sodium-native', 'node-crypto'])
const RESOLUTION_MS = 1

export async function run({ quick, full, compare, peers }) {
  const load = (most, group, callsOf, notes) =>
    compare({
      id: `concurrent-${most}`,
      title: `Concurrent: ${AGENTS} agents, ${most} calls each, ${OUTSTANDING} in flight per agent`,
      notes: [
        'each competitor and each round in a new process; event loop delay: p99 of how late a 1 ms timer fires',
        ...notes,
      ],
      metrics: [
        { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
        { key: 'cpuMicros', label: 'CPU per call', unit: 'µs', better: 'less' },
        { key: 'loopDelay', label: 'event loop delay', unit: 'ms', better: 'less' },
      ],
      peers: group,
      count: quick ? 2 : 3,
      fresh: true,
      limitSeconds: 120,
      params: (peer) => ({ callsPerAgent: callsOf(peer) }),
    })
  const names = peers.filter((peer) => SLOW.has(peer)).join(' and ')
  const spared = names && !full
  const few = await load(100, peers, (peer) => (spared && SLOW.has(peer) ? SLOW_CALLS : 100), [
    ...(spared ? [`${names}: ${SLOW_CALLS} calls each; all with --full`] : []),
  ])
  if (quick) return few
  const fast = full ? peers : peers.filter((peer) => !SLOW.has(peer))
  return [few, await load(1000, fast, () => 1000, spared ? [`${names} would take minutes: as above, or with --full`] : [])]
}

export async function measure(peer, { callsPerAgent }) {
  const fleet = await peer.fleet(AGENTS, reply, { timeoutMs: TIMEOUT_MS })
  await rush(fleet, { agents: AGENTS, callsPerAgent: 4, outstanding: OUTSTANDING })
  globalThis.gc()
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const rate = await rush(fleet, { agents: AGENTS, callsPerAgent, outstanding: OUTSTANDING })
  await new Promise(setImmediate) // lets the last delay be seen
  delay.disable()
  const loopDelay = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS)
  return { ...rate, loopDelay }
}
