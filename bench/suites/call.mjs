import { checkedCall, reply } from '../lib/load.mjs'
import { quantile } from '../lib/stats.mjs'

export const order = 2
export const competitors = [
  'ours',
  'unsigned',
  'sodium-native',
  'node-crypto',
  'agent-governance-sdk',
  'agent-passport-system',
  'http-jose',
  'http-jose-fresh',
]

const WARM_UP_MS = 300
const MIN_CALLS = 200

export async function run({ quick, compare, peers }) {
  return compare({
    title: 'Call: one agent asks another by name and waits, one call at a time',
    notes: [
      'request and reply signed and verified, recipient, time, replay and reply checked, unless the name says otherwise',
      'p50 and p99 are those within a round',
    ],
    ...latencies({ quick, peers }),
  })
}

// What is measured of calls, and how often.
export const latencies = ({ quick, peers }) => ({
  metrics: [
    { key: 'p50', label: 'p50', unit: 'µs', better: 'less' },
    { key: 'p99', label: 'p99', unit: 'µs', better: 'less' },
    { key: 'cpu', label: 'CPU', unit: 'µs', better: 'less' },
  ],
  peers,
  count: quick ? 3 : 9,
  params: () => ({ milliseconds: quick ? 150 : 500 }),
})

export async function measure(peer, { milliseconds }, state) {
  if (!state.fleet) {
    state.fleet = await peer.fleet(2, reply)
    await callsFor(state.fleet, WARM_UP_MS)
  }
  const cpuBefore = process.cpuUsage()
  const samples = await callsFor(state.fleet, milliseconds)
  const cpu = process.cpuUsage(cpuBefore)
  const values = { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) }
  // A server in another process has its own clock of work, which this one cannot read.
  return peer.outOfProcess ? values : { ...values, cpu: (cpu.user + cpu.system) / samples.length }
}

export async function callsFor(fleet, milliseconds) {
  const samples = []
  const end = performance.now() + milliseconds
  for (let seq = 0; seq < MIN_CALLS || performance.now() < end; seq += 1) {
    const startedAt = performance.now()
    await checkedCall(fleet, 0, 1, seq)
    samples.push((performance.now() - startedAt) * 1000)
    if (seq % 100 === 99) await new Promise(setImmediate) // as any program would, sooner or later
  }
  return samples
}
