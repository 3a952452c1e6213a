export const order = 9
export const competitors = ['ours', 'http-message-signatures', 'web-bot-auth']

const WARM_UP_MS = 100
const BATCH = 32 // requests between two looks at the clock
const BODY = Buffer.alloc(200, 'm')
const REQUEST = { method: 'POST', url: 'https://api.example/orders?draft=1', body: BODY }

export function run({ quick, compare, peers }) {
  return compare({
    id: 'http',
    title: 'HTTP: one POST of 200 bytes, signed and verified (RFC 9421, Ed25519)',
    notes: [
      'method, authority, path, query, media type and body covered; digest, time, nonce and coverage checked at every verification',
      'keys are loaded once and kept; the others are given a digest by node:crypto and a Set for nonces',
    ],
    metrics: ['sign', 'verify'].map((key) => ({ key, label: key, unit: 'µs', better: 'less' })),
    peers,
    count: quick ? 3 : 9,
    params: () => ({ milliseconds: quick ? 50 : 150 }),
  })
}

export async function measure(peer, { milliseconds }, state) {
  if (!state.http) {
    state.http = await prepare(peer)
    await measure(peer, { milliseconds: WARM_UP_MS }, state)
  }
  const { sign, verify } = state.http
  let [count, signing, verifying] = [0, 0, 0]
  while (signing + verifying < milliseconds * 2) {
    const signed = new Array(BATCH)
    let startedAt = performance.now()
    for (let i = 0; i < BATCH; i += 1) signed[i] = await sign(REQUEST)
    signing += performance.now() - startedAt
    startedAt = performance.now()
    for (let i = 0; i < BATCH; i += 1) {
      if (!(await verify({ ...REQUEST, headers: signed[i] }))) throw new Error('refused')
    }
    verifying += performance.now() - startedAt
    count += BATCH
  }
  return { sign: (signing / count) * 1000, verify: (verifying / count) * 1000 }
}

// Whoever accepts what it should refuse has no speed.
async function prepare(peer) {
  const http = await peer.http({ authority: 'api.example' })
  const accepts = async (request) => {
    try {
      return (await http.verify(request)) === true
    } catch {
      return false
    }
  }
  const signed = async (now) => ({ ...REQUEST, headers: await http.sign(REQUEST, now) })
  const good = await signed()
  if (!(await accepts(good))) throw new Error('refuses its own request')
  if (await accepts(good)) throw new Error('accepts a replay')
  const forgeries = {
    'another body': { ...(await signed()), body: Buffer.alloc(200, 'n') },
    'another path': { ...(await signed()), url: 'https://api.example/refunds?draft=1' },
    'another query': { ...(await signed()), url: 'https://api.example/orders?draft=0' },
    'another method': { ...(await signed()), method: 'PUT' },
    'another host': { ...(await signed()), url: 'https://evil.example/orders?draft=1' },
    'an old request': await signed(Math.floor(Date.now() / 1000) - 600),
  }
  for (const [what, request] of Object.entries(forgeries)) {
    if (await accepts(request)) throw new Error(`accepts ${what}`)
  }
  return http
}
