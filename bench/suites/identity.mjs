export const order = 1
export const competitors = [
  'ours',
  'node-crypto',
  'sodium-native',
  'jose',
  'agent-governance-sdk',
  'agent-passport-system',
]

const STEPS_PER_LOOK = 8 // at the clock
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

function timeSync(step, milliseconds) {
  const startedAt = performance.now()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < STEPS_PER_LOOK; i += 1) step()
    count += STEPS_PER_LOOK
    elapsed = performance.now() - startedAt
  }
  return (elapsed / count) * 1000
}

async function timeAsync(step, milliseconds) {
  const startedAt = performance.now()
  let count = 0
  let elapsed = 0
  while (elapsed < milliseconds) {
    for (let i = 0; i < STEPS_PER_LOOK; i += 1) await step()
    count += STEPS_PER_LOOK
    elapsed = performance.now() - startedAt
  }
  return (elapsed / count) * 1000
}
