export const order = 9.5
export const competitors = ['ours', 'http-jose', 'http-jose-fresh']

const WARM_UP = 200
const BATCH = 50 // requests whose headers are made before they are sent
const body = (n) => JSON.stringify({ item: `lamp ${n}`, note: 'n'.repeat(160) })

export function run({ quick, compare, peers }) {
  return compare({
    id: 'http-route',
    title: 'HTTP: a guarded route of Express, one POST of 200 bytes at a time',
    notes: [
      'the same route, parser, client and kept connection; a token with a scope in all of them',
      'ours: each request signed with its body, each accepted once; jose: a bearer token, which proves neither body nor sender',
      'route: p50 from sending to the answer, headers at hand; client: what making the headers takes besides',
    ],
    metrics: [
      { key: 'route', label: 'route, p50', unit: 'µs', better: 'less' },
      { key: 'client', label: 'client, p50', unit: 'µs', better: 'less' },
    ],
    peers,
    count: quick ? 3 : 9,
    params: () => ({ requests: quick ? 300 : 1000 }),
  })
}

export async function measure(peer, { requests }, state) {
  if (!state.route) {
    state.route = await prepare(peer)
    await measure(peer, { requests: WARM_UP }, state)
  }
  const { headers, send } = state.route
  const [sending, making] = [[], []]
  while (sending.length < requests) {
    const batch = []
    for (let i = 0; i < BATCH; i += 1) {
      const text = body(i)
      const startedAt = performance.now()
      const made = await headers(text)
      making.push(performance.now() - startedAt)
      batch.push([made, text, `lamp ${i}`])
    }
    for (const [made, text, wanted] of batch) {
      const startedAt = performance.now()
      const { ordered } = await send(made, text)
      sending.push(performance.now() - startedAt)
      if (ordered !== wanted) throw new Error('refused')
    }
  }
  const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1] * 1000
  return { route: median(sending), client: median(making) }
}

// Whoever accepts what it says that it refuses has no speed.
async function prepare(peer) {
  const route = await peer.route()
  const status = async (headers, text) => (await route.send(headers, text)).status
  const good = await route.headers(body(1))
  if ((await status(good, body(1))) !== 200) throw new Error('refuses its own request')
  if ((await status({}, body(1))) !== 401) throw new Error('accepts anybody')
  if (route.once && (await status(good, body(1))) === 200) throw new Error('accepts a replay')
  if (route.whole && (await status(await route.headers(body(1)), body(2))) === 200) throw new Error('accepts another body')
  if ((await status(await route.headers(body(1), ['read']), body(1))) !== 403) throw new Error('asks for no scope')
  return route
}
