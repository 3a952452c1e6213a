import { checkedCall, reply } from '../lib/load.mjs'
import { quantile } from '../lib/stats.mjs'

export const order = 7
export const optional = true // --sustained
export const competitors = ['ours']

const SENDERS = 50
const LANES_PER_SENDER = 2
const MOST_CALLS = 2 ** 22 // remembered per minute; set aside once, so that it does not look like growth

export async function run({ minutes, compare, peers }) {
  return compare({
    title: `Sustained: one agent answers ${SENDERS} others for ${minutes} minutes`,
    notes: [`${SENDERS * LANES_PER_SENDER} calls in flight; the spread is over the minutes`],
    metrics: [
      { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
      { key: 'p99', label: 'p99', unit: 'ms', better: 'less' },
      { key: 'resident', label: 'resident', unit: 'MiB', better: 'less', digits: 0 },
    ],
    peers,
    count: minutes,
    limitSeconds: 120,
    params: () => ({ seconds: 60 }),
    keepSamples: true,
  })
}

export async function measure(peer, { seconds }, state) {
  state.fleet ??= await peer.fleet(SENDERS + 1, reply)
  state.latencies ??= new Float64Array(MOST_CALLS)
  const { latencies } = state
  let calls = 0
  const startedAt = performance.now()
  const end = startedAt + seconds * 1000
  const lane = async (from) => {
    for (let seq = 0; performance.now() < end; seq += 1) {
      const sentAt = performance.now()
      await checkedCall(state.fleet, from, 0, seq)
      latencies[calls++ % MOST_CALLS] = performance.now() - sentAt
      if (seq % 50 === 49) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: SENDERS * LANES_PER_SENDER }, (_, i) => lane(1 + (i % SENDERS))))
  const callsPerSecond = calls / ((performance.now() - startedAt) / 1000)
  const p99 = quantile(latencies.subarray(0, calls), 0.99)
  globalThis.gc()
  return { callsPerSecond, p99, resident: process.memoryUsage.rss() / 2 ** 20 }
}
