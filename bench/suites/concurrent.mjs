import { monitorEventLoopDelay } from 'node:perf_hooks'
import { reply, rush } from '../lib/load.mjs'
import { quantile } from '../lib/stats.mjs'

export const order = 3
export const peers = ['ours', 'unsigned', 'sodium-native', 'node-crypto']

const AGENTS = 500
const OUTSTANDING = 100
const FEWER_CALLS = new Set(['sodium-native', 'node-crypto'])
const RESOLUTION_MS = 1

export async function run({ quick, full, compare, peers }) {
  const callsOf = (peer, most) => (FEWER_CALLS.has(peer) && !full ? Math.min(most, quick ? 10 : 100) : most)
  const results = []
  for (const most of quick ? [100] : [100, 1000]) {
    const shortened = peers.filter((peer) => callsOf(peer, most) < most)
    const result = await compare({
      id: `concurrent-${most}`,
      title: `Concurrent: ${AGENTS} agents, ${most} calls each, ${OUTSTANDING} in flight per agent`,
      notes: [
        'each competitor and each round in a new process; event loop delay is p99 of how late a 1 ms timer fires',
        ...(shortened.length > 0 ? [`${shortened.join(', ')}: ${callsOf(shortened[0], most)} calls each (--full: all of them)`] : []),
      ],
      metrics: [
        { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
        { key: 'cpuMicros', label: 'CPU per call', unit: 'µs', better: 'less' },
        { key: 'loopDelay', label: 'event loop delay', unit: 'ms', better: 'less' },
        { key: 'p99', label: 'latency p99', unit: 'ms', better: 'less', digits: 0 },
      ],
      peers,
      count: quick ? 2 : 3,
      fresh: true,
      limitSeconds: 300,
      params: (peer) => ({ callsPerAgent: callsOf(peer, most) }),
    })
    results.push(result)
  }
  return results
}

export async function measure(peer, { callsPerAgent }) {
  const fleet = await peer.fleet(AGENTS, reply)
  await rush(fleet, { agents: AGENTS, callsPerAgent: 4, outstanding: OUTSTANDING })
  globalThis.gc()
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const { callsPerSecond, cpuMicros, latencies } = await rush(fleet, {
    agents: AGENTS,
    callsPerAgent,
    outstanding: OUTSTANDING,
  })
  await new Promise(setImmediate) // lets the last delay be seen
  delay.disable()
  const loopDelay = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION_MS)
  return { callsPerSecond, cpuMicros, loopDelay, p99: quantile(latencies, 0.99) }
}
