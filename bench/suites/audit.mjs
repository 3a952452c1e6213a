import { checkedCall, reply, rush } from '../lib/load.mjs'
import { quantile } from '../lib/stats.mjs'

export const order = 11
export const competitors = ['ours', 'ours-audited', 'ours-audited-always', 'pino']

const AGENTS = 100
const OUTSTANDING = 100

export async function run({ quick, compare, peers }) {
  const callers = peers.filter((peer) => peer !== 'pino')
  const count = quick ? 3 : 9
  const one = await compare({
    id: 'audit-call',
    title: 'Audit: one call at a time, with a log and without',
    notes: ['two records a call; always: the handler begins when the disk has the first'],
    metrics: [
      { key: 'p50', label: 'p50', unit: 'µs', better: 'less' },
      { key: 'p99', label: 'p99', unit: 'µs', better: 'less' },
    ],
    peers: callers,
    count,
    params: () => ({ what: 'call', milliseconds: quick ? 200 : 500 }),
  })
  const crowd = await compare({
    id: 'audit-crowd',
    title: `Audit: ${AGENTS} agents, ${OUTSTANDING} calls in flight each, with a log and without`,
    metrics: [
      { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
      { key: 'cpuMicros', label: 'CPU per call', unit: 'µs', better: 'less' },
    ],
    peers: callers,
    count: quick ? 2 : 5,
    fresh: true,
    limitSeconds: 120,
    params: () => ({ what: 'crowd', callsPerAgent: quick ? 200 : 500 }),
  })
  const lines = await compare({
    id: 'audit-lines',
    title: 'Audit: records written',
    notes: ['the same members in a file, neither waits for the disk; pino without hash and signature; until the file has the last'],
    metrics: [{ key: 'perSecond', label: 'records', unit: '1/s', better: 'more', digits: 0 }],
    peers: peers.filter((peer) => peer === 'pino' || peer === 'ours'),
    count,
    params: () => ({ what: 'lines', records: quick ? 50_000 : 200_000 }),
  })
  return [one, crowd, lines]
}

export async function measure(peer, { what, milliseconds, callsPerAgent, records }, state) {
  if (what === 'lines') return { perSecond: records / (await peer.lines(records)) }
  if (what === 'crowd') {
    const fleet = await peer.fleet(AGENTS, reply, { timeoutMs: 100_000 })
    await rush(fleet, { agents: AGENTS, callsPerAgent: 4, outstanding: OUTSTANDING })
    return rush(fleet, { agents: AGENTS, callsPerAgent, outstanding: OUTSTANDING })
  }
  state.fleet ??= await peer.fleet(2, reply)
  const samples = []
  for (let [seq, end] = [0, performance.now() + milliseconds]; samples.length < 100 || performance.now() < end; seq += 1) {
    const startedAt = performance.now()
    await checkedCall(state.fleet, 0, 1, seq)
    samples.push((performance.now() - startedAt) * 1000)
    if (seq % 100 === 99) await new Promise(setImmediate)
  }
  return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) }
}
