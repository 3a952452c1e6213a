import { measure as measureCalls } from './call.mjs'

export const order = 8
export const competitors = ['ours', 'fast-jwt', 'jose', 'node-rs-jsonwebtoken', 'ours-with-token']

const WARM_UP_MS = 100
const BATCH = 32 // tokens between two looks at the clock
const GRANT = {
  audience: 'https://api.example/invoices',
  scopes: ['invoice.read', 'invoice.list', 'payment.read'],
  ttlSeconds: 3600,
}
const REVOKED = 1000 // entries of every revocation list

export async function run({ quick, compare, peers }) {
  const tokens = await compare({
    id: 'tokens',
    title: 'Tokens: EdDSA JWTs of 8 claims, issued and verified',
    notes: [
      `issuer, audience, subject, time, scope and a list of ${REVOKED.toLocaleString('en')} revoked tokens checked at every verification`,
      'first: tokens not seen before, no cache; again: one token over and over; fast-jwt with its cache on',
      'node-rs checks no token type, and its revocation list is a Set, as for fast-jwt and jose',
    ],
    metrics: ['issue', 'first', 'again'].map((key) => ({ key, label: key, unit: 'µs', better: 'less' })),
    peers: peers.filter((peer) => peer !== 'ours-with-token'),
    count: quick ? 3 : 9,
    params: () => ({ what: 'tokens', milliseconds: quick ? 30 : 100 }),
  })
  const calls = await compare({
    id: 'tokens-calls',
    title: 'Tokens: a call that presents a token, beside one that needs none',
    notes: ['both between two agents of this package; the token is the same in every call and checked in each'],
    metrics: [
      { key: 'p50', label: 'p50', unit: 'µs', better: 'less' },
      { key: 'p99', label: 'p99', unit: 'µs', better: 'less' },
      { key: 'cpu', label: 'CPU', unit: 'µs', better: 'less' },
    ],
    peers: peers.filter((peer) => peer.startsWith('ours')),
    count: quick ? 3 : 9,
    params: () => ({ what: 'calls', milliseconds: quick ? 150 : 500 }),
  })
  return [tokens, calls].filter(({ rows, skipped }) => rows.length + skipped.length > 0)
}

export function measure(peer, params, state) {
  return params.what === 'calls' ? measureCalls(peer, params, state) : measureTokens(peer, params, state)
}

async function measureTokens(peer, { milliseconds }, state) {
  if (!state.ready) {
    state.ready = await prepare(peer)
    await measureTokens(peer, { milliseconds: WARM_UP_MS }, state)
  }
  const { tokens, known } = state.ready
  const batches = tokens.isAsync ? asyncBatches : syncBatches
  const nothing = () => new Array(BATCH)
  const fresh = () => Promise.all(Array.from({ length: BATCH }, () => tokens.issue(GRANT)))
  const same = () => new Array(BATCH).fill(known)
  return {
    issue: await batches(nothing, () => tokens.issue(GRANT), milliseconds),
    first: await batches(fresh, tokens.verifyFirst, milliseconds),
    again: await batches(same, tokens.verifyAgain, milliseconds),
  }
}

// Whoever accepts what it should refuse has no speed.
async function prepare(peer) {
  const tokens = await peer.tokens({ ...GRANT, needed: GRANT.scopes[0], revoked: REVOKED })
  for (const verify of [tokens.verifyFirst, tokens.verifyAgain]) {
    const accepts = async (token) => {
      try {
        return (await verify(token)) === true
      } catch {
        return false
      }
    }
    const good = await tokens.issue(GRANT)
    const [header, , signature] = (await tokens.issue(GRANT)).split('.')
    const forgeries = {
      'another audience': await tokens.issue({ ...GRANT, audience: 'https://api.example/other' }),
      'another scope': await tokens.issue({ ...GRANT, scopes: ['invoice.list'] }),
      'an old token': await tokens.issue({ ...GRANT, now: Math.floor(Date.now() / 1000) - 7200 }),
      'other claims': [header, good.split('.')[1], signature].join('.'),
    }
    if (!(await accepts(good)) || !(await accepts(good))) throw new Error('refuses its own token')
    for (const [what, token] of Object.entries(forgeries)) {
      if (await accepts(token)) throw new Error(`accepts ${what}`)
    }
    tokens.revoke(good)
    if (await accepts(good)) throw new Error('accepts a revoked token that it has seen before')
  }
  return { tokens, known: await tokens.issue(GRANT) }
}

// Microseconds per step; what `prepareBatch` makes is not in the time.
async function syncBatches(prepareBatch, step, milliseconds) {
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    const batch = await prepareBatch()
    const startedAt = performance.now()
    for (let i = 0; i < BATCH; i += 1) if (!step(batch[i])) throw new Error('refused')
    elapsed += performance.now() - startedAt
    count += BATCH
  }
  return (elapsed / count) * 1000
}

async function asyncBatches(prepareBatch, step, milliseconds) {
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    const batch = await prepareBatch()
    const startedAt = performance.now()
    for (let i = 0; i < BATCH; i += 1) if (!(await step(batch[i]))) throw new Error('refused')
    elapsed += performance.now() - startedAt
    count += BATCH
  }
  return (elapsed / count) * 1000
}
