import { request } from '../lib/load.mjs'

export const order = 9.7
export const competitors = ['ours', 'http-jose']

const IN_FLIGHT = 100
const ALONE = 300

export async function run({ quick, compare, peers }) {
  const suite = (id, title, notes, metrics, params) =>
    compare({ id: `http-agents-${id}`, title, notes, metrics, peers, count: quick ? 3 : 7, params: () => params, limitSeconds: 120 })
  const same = 'both servers on node:http in a process of their own; jose: a bearer token that is reused, and an unsigned reply'
  return [
    await suite('calls', 'Agents over HTTP: calls by URL, 250 bytes each way', [same, `${IN_FLIGHT} in flight, then one at a time`], [
      { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
      { key: 'p50', label: 'one at a time, p50', unit: 'µs', better: 'less' },
      { key: 'loaded', label: `${IN_FLIGHT} in flight, p50`, unit: 'µs', better: 'less' },
    ], { what: 'calls', calls: quick ? 4000 : 20_000 }),
    await suite('parts', 'Agents over HTTP: the parts of an answer', ['50 bytes each; jose: lines of JSON, unsigned'], [
      { key: 'partsPerSecond', label: 'parts', unit: '1/s', better: 'more', digits: 0 },
    ], { what: 'parts', milliseconds: quick ? 300 : 1000 }),
    await suite('crowd', 'Agents over HTTP: 1,000 callers, each with a connection of its own', [same, 'ten calls each, all callers at once'], [
      { key: 'callsPerSecond', label: 'calls', unit: '1/s', better: 'more', digits: 0 },
      { key: 'kib', label: 'server, a connection', unit: 'KiB', better: 'less' },
    ], { what: 'crowd', callers: 1000, each: 10 }),
  ]
}

const measures = { calls, parts, crowd }

export async function measure(peer, params, state) {
  state.there ??= await peer.agents()
  return measures[params.what](state.there, params, state)
}

async function asked(client, seq) {
  const value = await client.call(request(seq))
  if (value.seq !== seq) throw new Error(`asked ${seq}, got an answer to ${value.seq}`)
}

async function calls(there, { calls }, state) {
  const client = (state.client ??= there.client())
  const [times, alone] = [[], []]
  const lanes = async (count, times) => {
    let next = 0
    const lane = async () => {
      while (next < count) {
        const startedAt = performance.now()
        await asked(client, next++)
        times.push(performance.now() - startedAt)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  }
  await lanes(1000, [])
  const startedAt = performance.now()
  await lanes(calls, times)
  const seconds = (performance.now() - startedAt) / 1000
  for (let seq = 0; seq < ALONE; seq += 1) {
    const begun = performance.now()
    await asked(client, seq)
    alone.push(performance.now() - begun)
  }
  return { callsPerSecond: calls / seconds, p50: median(alone), loaded: median(times) }
}

async function parts(there, { milliseconds }, state) {
  const client = (state.client ??= there.client())
  const startedAt = performance.now()
  let count = 0
  for await (const part of client.stream()) {
    if (part.seq !== count) throw new Error(`part ${count} is ${JSON.stringify(part)}`)
    count += 1
    if (count % 100 === 0 && performance.now() - startedAt >= milliseconds) break
  }
  return { partsPerSecond: count / ((performance.now() - startedAt) / 1000) }
}

async function crowd(there, { callers, each }) {
  const before = await there.memory()
  const clients = Array.from({ length: callers }, () => there.client())
  await Promise.all(clients.map((client) => asked(client, 0)))
  const startedAt = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let seq = 1; seq <= each; seq += 1) await asked(client, seq)
    }),
  )
  const seconds = (performance.now() - startedAt) / 1000
  const kib = (await there.memory() - before) / 1024 / callers
  for (const client of clients) client.close()
  return { callsPerSecond: (callers * each) / seconds, kib: Math.max(0, kib) }
}

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1] * 1000
