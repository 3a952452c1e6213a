import { timeAsync, timeSync } from '../lib/time.mjs'

export const order = 1
export const competitors = [
  'ours',
  'node-crypto',
  'sodium-native',
  'jose',
  'agent-governance-sdk',
  'agent-passport-system',
]

const MESSAGE = Buffer.alloc(200, 'm')

export async function run({ peers, quick, compare }) {
  return compare({
    title: 'Identity: one key and its DID, one signature, one verification of 200 bytes',
    notes: [
      'keys are loaded once and kept; jose signs a JWS; the governance SDK and the passport import their key each time',
    ],
    metrics: ['create', 'sign', 'verify'].map((key) => ({ key, label: key, unit: 'µs', better: 'less' })),
    peers,
    count: quick ? 3 : 9,
    params: () => ({ milliseconds: quick ? 20 : 60 }),
  })
}

export async function measure(peer, { milliseconds }, state) {
  const { identity, signature } = (state.ready ??= await prepare(peer))
  const time = identity.isAsync ? timeAsync : timeSync
  return {
    create: await time(() => identity.create(), milliseconds),
    sign: await time(() => identity.sign(MESSAGE), milliseconds),
    verify: await time(() => identity.verify(MESSAGE, signature), milliseconds),
  }
}

async function prepare(peer) {
  const identity = await peer.identity()
  const signature = await identity.sign(MESSAGE)
  if ((await identity.verify(MESSAGE, signature)) !== true) throw new Error('does not verify its own signature')
  if (!String(await identity.create()).startsWith('did:')) throw new Error('creates no DID')
  return { identity, signature }
}
