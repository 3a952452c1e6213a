// A process of its own that uses many keys, wipes them, and looks for what is left of them in its memory. Whatever it is
// told of them is masked, so that it does not find that.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { AutoGenxBindAgent, Identity, MessageBus } from '../../dist/index.mjs'
import { issueToken } from '../../dist/tokens.mjs'

const MASK = 0xa5
const FOUR_MASKS = 0xa5a5a5a5 | 0

const valueOf = (result) => {
  if (result.ok) return result.value
  throw result.error
}

/** The next message of the parent. */
const asked = () => new Promise((resolve) => process.once('message', resolve))

/** Secret bytes, outside of the heap of V8, whose garbage collector copies what is in it; wiped after use. */
function unmasked(text, use) {
  const masked = Buffer.from(text, 'base64')
  const bytes = Buffer.from(new ArrayBuffer(masked.length))
  for (let at = 0; at < masked.length; at++) bytes[at] = masked[at] ^ MASK
  try {
    return use(bytes)
  } finally {
    bytes.fill(0)
  }
}

const { count, passphrase, leak, files } = await asked()

const open = {
  seed: ({ masked }) => unmasked(masked, (seed) => Identity.fromSeed(seed)),
  der: ({ masked }) => unmasked(masked, (der) => Identity.fromPKCS8(der)),
  pem: ({ masked }) => unmasked(masked, (pem) => Identity.fromPKCS8(pem)),
  text: ({ masked }) => unmasked(masked, (pem) => Identity.fromPKCS8(pem.toString('latin1'))),
  encrypted: ({ file }) => Identity.fromPKCS8Async(file, { passphrase }),
  blocking: ({ file }) => Identity.fromPKCS8(file, { passphrase }),
}
const identities = Array.from({ length: count }, () => Identity.generate())
for (const file of files) if (file.kind in open) identities.push(valueOf(await open[file.kind](file)))
const exports = identities.slice(0, count).map((identity) => identity.toPKCS8Async({ passphrase }))
for (const identity of identities) {
  const subject = Identity.generate().did
  identity.sign(Buffer.from('some bytes'))
  valueOf(identity.seal({ op: 'send', to: subject, body: Buffer.from('1') }))
  valueOf(issueToken(identity, { subject, audience: 'a', scopes: ['a:b'] }))
  valueOf(identity.toPKCS8()).fill(0) // whoever exports a key wipes it
}

const bus = new MessageBus()
const agentOptions = { bus }
const agents = Array.from({ length: count }, () => new AutoGenxBindAgent({ agentOptions }))
for (const { kind, masked, file } of files) {
  if (kind === 'agent') {
    agents.push(valueOf(await unmasked(masked, (der) => AutoGenxBindAgent.fromIdentity(der, { agentOptions }))))
  } else if (kind === 'encrypted agent') {
    agents.push(valueOf(await AutoGenxBindAgent.fromIdentity(file, { passphrase, agentOptions })))
  }
}
for (const agent of agents) agent.handle(({ payload }) => payload)
for (let round = 0; round < 5; round++) {
  const calls = agents.map((agent, n) => agent.call(agents[(n + 1) % agents.length].getDID(), { round }))
  for (const result of await Promise.all(calls)) valueOf(result)
}
exports.push(...agents.slice(0, count).map((agent) => agent.exportIdentity({ passphrase })))
const exported = (await Promise.all(exports)).map((result) => Buffer.from(valueOf(result)).toString('base64'))

for (const identity of leak ? identities.slice(1) : identities) identity.destroy()
for (const agent of agents) agent.close()
await sleep(200) // worker threads end what they are at
process.send({ exported })
const { pieces } = await asked()
process.send({ found: search(pieces) })
process.disconnect()

/** Which of these masked pieces of eight bytes stand in the memory that this process writes to. */
function search(pieces) {
  // Numbers all along: a string or buffer of what is compared would itself be found.
  const begins = new Uint8Array(1 << 24)
  const named = new Map()
  for (const [masked, name] of pieces) {
    const piece = Buffer.from(masked, 'base64')
    const [low, high] = [piece.readInt32LE(0), piece.readInt32LE(4)]
    begins[low & 0xffffff] = 1
    if (!named.has(low)) named.set(low, new Map())
    named.get(low).set(high, name)
  }
  const found = new Map()
  const window = Buffer.from(new ArrayBuffer(1 << 20))
  const words = new Int32Array(window.buffer)
  const memory = openSync('/proc/self/mem')
  const fourFrom = (i) =>
    (window[i] | (window[i + 1] << 8) | (window[i + 2] << 16) | (window[i + 3] << 24)) ^ FOUR_MASKS
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, from, to, rights, place] = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(line) ?? []
    if (!rights?.startsWith('rw')) continue
    for (let at = BigInt(`0x${from}`); at < BigInt(`0x${to}`); at += BigInt(window.length - 8)) {
      let length = 0
      try {
        const left = BigInt(`0x${to}`) - at
        length = readSync(memory, window, 0, left < window.length ? Number(left) : window.length, at)
      } catch {
        break // memory that has gone since
      }
      for (let i = 0; i + 8 <= length; i++) {
        if (i % 4 === 0 && words[i >> 2] === 0 && words[(i >> 2) + 1] === 0) {
          i += 3 // no piece has so many zeros
          continue
        }
        const low = fourFrom(i)
        if (begins[low & 0xffffff] === 0) continue
        const name = named.get(low)?.get(fourFrom(i + 4))
        if (name) found.set(`${name} in ${place || 'memory'} ${(at + BigInt(i)).toString(16)}`, name)
      }
    }
  }
  closeSync(memory)
  return [...found.keys()]
}
