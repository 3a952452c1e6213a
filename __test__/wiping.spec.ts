// After destroy() and close() nothing is left of a key, anywhere in the process.
import { fork } from 'node:child_process'
import { createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const MASK = 0xa5
const ORDER = (1n << 252n) + 27742317777372353535851937790883648493n
const passphrase = 'of the test'

type Piece = [masked: string, name: string]

const masked = (bytes: Uint8Array): string => Buffer.from(bytes.map((byte) => byte ^ MASK)).toString('base64')

function pkcs8(seed: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
}

const turned = (bytes: Uint8Array): Buffer => Buffer.from(bytes.toReversed())

function little(number: bigint, length: number): Buffer {
  return turned(Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex'))
}

/** What would betray a key: eight bytes each of seed, hash and scalar, in both orders, and the scalar as it is computed with. */
function pieces(seed: Uint8Array, name: string): Piece[] {
  const hash = createHash('sha512').update(seed).digest()
  const scalar = Buffer.from(hash.subarray(0, 32))
  scalar[0]! &= 248
  scalar[31] = (scalar[31]! & 127) | 64
  const reduced = BigInt(`0x${turned(scalar).toString('hex')}`) % ORDER
  const limbs = Array.from({ length: 4 }, (_, n) => little((reduced >> BigInt(52 * n)) & ((1n << 52n) - 1n), 8))
  const secrets = { seed, hash, scalar, reduced: little(reduced, 32), limbs: Buffer.concat(limbs) }
  return Object.entries(secrets).flatMap(([what, bytes]) =>
    Array.from({ length: bytes.length / 8 }, (_, n) => Buffer.from(bytes.subarray(n * 8, n * 8 + 8))).flatMap(
      (piece): Piece[] => [
        [masked(piece), `${what} of ${name}`],
        [masked(turned(piece)), `${what}, turned, of ${name}`],
      ],
    ),
  )
}

/** Of so many keys that are generated, come from a seed, are imported, and belong to agents; `leak` keeps the first. */
async function leftOf(count: number, leak: boolean): Promise<string[]> {
  const program = fileURLToPath(new URL('helpers/memory.mjs', import.meta.url))
  const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const said = async (): Promise<Record<string, string[]>> => {
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`it ended with ${code}`)
    })
    return ((await Promise.race([once(child, 'message'), died])) as [Record<string, string[]>])[0]
  }
  const seeds: [Uint8Array, string][] = []
  const given = (kind: string, times: number, file: (seed: Buffer) => object): object[] =>
    Array.from({ length: times }, (_, n) => {
      const seed = randomBytes(32)
      seeds.push([seed, `${kind} ${n}`])
      return { kind, ...file(seed) }
    })
  const keyOf = (seed: Buffer) => createPrivateKey({ key: pkcs8(seed), format: 'der', type: 'pkcs8' })
  const pem = (seed: Buffer): object => ({
    masked: masked(Buffer.from(keyOf(seed).export({ type: 'pkcs8', format: 'pem' }) as string)),
  })
  const encrypted = (seed: Buffer): object => ({
    file: keyOf(seed).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }),
  })
  const der = (seed: Buffer): object => ({ masked: masked(pkcs8(seed)) })
  const files = [
    ...given('seed', count, (seed) => ({ masked: masked(seed) })),
    ...(['der', 'agent'] as const).flatMap((kind) => given(kind, count / 2, der)),
    ...(['pem', 'text'] as const).flatMap((kind) => given(kind, count / 4, pem)),
    ...(['encrypted', 'blocking', 'encrypted agent'] as const).flatMap((kind) => given(kind, count / 4, encrypted)),
  ]
  const first = said()
  child.send({ count, passphrase, leak, files })
  for (const [n, file] of (await first)['exported']!.entries()) {
    const key = createPrivateKey({ key: Buffer.from(file, 'base64'), format: 'der', type: 'pkcs8', passphrase })
    const seed = key.export({ format: 'der', type: 'pkcs8' }).subarray(16)
    seeds.push([seed, `${n < count ? 'generated' : 'fresh agent'} ${n % count}`])
  }
  expect(seeds).toHaveLength(count * 5.25)
  const second = said()
  child.send({ pieces: seeds.flatMap(([seed, name]) => pieces(seed, name)) })
  return (await second)['found']!
}

const skipped = process.platform === 'linux' ? undefined : 'only Linux lets a process read its own memory as a file'
if (skipped) console.log(`not searched: ${skipped}`)

test.skipIf(skipped)('a key that is not destroyed is found', async () => {
  const found = await leftOf(4, true)
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter((what) => !what.includes('of generated 0 '))).toEqual([])
})

test.skipIf(skipped)(
  'nothing is left of seed, hash and scalar of any key',
  async () => {
    expect(await leftOf(100, false)).toEqual([])
  },
  600_000,
)
