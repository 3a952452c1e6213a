import { timeSync } from '../lib/time.mjs'

export const order = 2
export const competitors = ['ours', 'json-stringify']

const record = (n) => ({
  id: `item-${n}`,
  name: `the name of thing ${n}`,
  price: n * 1.25,
  count: n,
  active: n % 2 === 0,
  tags: ['red', 'blue'],
  meta: { created: '2025-01-01T00:00:00Z', by: 'someone' },
})
const records = (count) => Array.from({ length: count }, (_, n) => record(n))
const said = (n) => ({ role: n % 2 === 0 ? 'user' : 'assistant', content: 'Please summarise what follows. '.repeat(8) })

const payloads = {
  chat: { model: 'large', messages: Array.from({ length: 4 }, (_, n) => said(n)) },
  records: { task: 'summarise', items: records(6), options: { depth: 3, lang: 'en', strict: true } },
  many: { items: records(560) },
}

export async function run({ peers, quick, compare }) {
  return compare({
    title: 'Payloads: values to JSON text, 1 KB of chat, 1 KB of records, 100 KB of records',
    notes: ['ours copies the value first, and refuses what JSON would lose; JSON.stringify looks at nothing'],
    metrics: Object.keys(payloads).map((key) => ({ key, label: key, unit: 'µs', better: 'less' })),
    peers,
    count: quick ? 3 : 9,
    params: () => ({ milliseconds: quick ? 20 : 60 }),
  })
}

export async function measure(peer, { milliseconds }, state) {
  const encode = (state.ready ??= await prepare(peer))
  return Object.fromEntries(
    Object.entries(payloads).map(([name, payload]) => [name, timeSync(() => encode(payload), milliseconds)]),
  )
}

async function prepare(peer) {
  const encode = await peer.payload()
  for (const payload of Object.values(payloads)) {
    if (encode(payload) !== JSON.stringify(payload)) throw new Error('makes another text')
  }
  for (const payload of Object.values(payloads)) timeSync(() => encode(payload), 100)
  return encode
}
