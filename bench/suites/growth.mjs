import { reply, rush } from '../lib/load.mjs'

export const order = 6
export const competitors = ['ours', 'unsigned', 'sodium-native']

const FLEETS = [10, 100, 1000, 10_000]
const IN_FLIGHT = 16 // per agent
const QUICK_IN_FLIGHT = 4
const SLOW = 'sodium-native'
const CALLS = 100_000 // at least, in all
const SLOW_CALLS = 20_000
const TIMEOUT_MS = 100_000 // 160,000 calls in flight are seconds of work, more on a slow machine
const SIZES = [100, 1000, 10_000, 100_000, 1_048_000]
const BYTES_PER_ROUND = 8 * 2 ** 20
const MAX_CALLS = 2000
const LANES = 8

export async function run({ quick, full, compare, peers }) {
  const count = quick ? 2 : 3
  const inFlight = quick ? QUICK_IN_FLIGHT : IN_FLIGHT
  const spared = (peer) => peer === SLOW && !full
  const callsOf = (peer) => (spared(peer) ? SLOW_CALLS : CALLS) / (quick ? 4 : 1)
  const agents = await compare({
    id: 'growth-agents',
    title: 'Growth: how calls per second change with the number of agents',
    notes: [
      `held constant: ${inFlight} calls in flight per agent, spread over the others, so that only the number of agents changes;`,
      `${callsOf().toLocaleString('en')} calls in all, or ${inFlight} per agent if that is more; one process per competitor`,
      ...(peers.some(spared) ? [`${SLOW}: ${callsOf(SLOW).toLocaleString('en')}, and not the largest; all with --full`] : []),
    ],
    metrics: FLEETS.map((size) => metric(size, `${size.toLocaleString('en')} agents`, '1/s', 0)),
    peers,
    count,
    compact: true,
    limitSeconds: 120,
    params: (peer) => ({
      what: 'agents',
      calls: callsOf(peer),
      inFlight,
      fleets: spared(peer) ? FLEETS.slice(0, -1) : FLEETS,
    }),
  })
  const payloads = await compare({
    id: 'growth-payload',
    title: 'Growth: megabytes per second by the size of the request',
    notes: [`JSON text, ${LANES} calls in flight, short replies`],
    metrics: SIZES.map((size) => metric(size, sizeLabel(size), 'MB/s', 1)),
    peers,
    count,
    compact: true,
    params: () => ({ what: 'payloads', bytes: quick ? BYTES_PER_ROUND / 4 : BYTES_PER_ROUND }),
  })
  return [agents, payloads]
}

const metric = (key, label, unit, digits) => ({ key: String(key), label, unit, digits, better: 'more' })
const sizeLabel = (size) => (size > 1e6 ? '1 MiB' : size >= 1000 ? `${size / 1000} kB` : `${size} B`)

export async function measure(peer, params, state) {
  return params.what === 'agents' ? byAgents(peer, params, state) : byPayload(peer, params, state)
}

async function byAgents(peer, { calls, inFlight, fleets }, state) {
  const values = {}
  for (const agents of fleets) {
    const fleet = await peer.fleet(agents, reply, { timeoutMs: TIMEOUT_MS })
    if (!state.warm) await rush(fleet, { agents, callsPerAgent: 1, outstanding: 1 })
    const callsPerAgent = Math.max(inFlight, Math.round(calls / agents))
    values[agents] = (await rush(fleet, { agents, callsPerAgent, outstanding: inFlight })).callsPerSecond
    fleet.close()
  }
  state.warm = true
  return values
}

async function byPayload(peer, { bytes }, state) {
  state.fleet ??= await peer.fleet(2, ({ payload }) => ({ read: payload.text.length }))
  const values = {}
  for (const size of SIZES) {
    const text = 'x'.repeat(size - '{"text":""}'.length)
    const calls = Math.min(MAX_CALLS, Math.max(LANES, Math.round(bytes / size)))
    let next = 0
    const lane = async () => {
      while (next++ < calls) {
        const { read } = await state.fleet.call(0, 1, { text })
        if (read !== text.length) throw new Error('the request arrived changed')
      }
    }
    const startedAt = performance.now()
    await Promise.all(Array.from({ length: LANES }, lane))
    values[size] = (calls * size) / 1e6 / ((performance.now() - startedAt) / 1000)
  }
  return values
}
