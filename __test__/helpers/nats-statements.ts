// Reads the statements of a cluster by docs/nats.md alone, with nothing of the package but DIDs and signatures: a second
// implementation, so that the vectors are read twice.
import { didToPublicKey, verifySignature } from '@private.me/autogen'

/** By what a statement is read. */
export interface Reading {
  readonly namespace: string
  readonly operators: readonly string[]
  readonly now: number
  readonly skew: number
  /** The agent that a presence or mailbox must be of. */
  readonly agent?: string | undefined
  /** The key under which it stands. */
  readonly key?: string | undefined
}

export type Claims = Record<string, unknown>

/** Why a statement is refused. */
export class Refused extends Error {}

export function must(holds: unknown, code = 'INVALID_TOKEN'): asserts holds {
  if (!holds) throw new Refused(code)
}

/** What one says, by the names of the vectors, or the code that it is refused with. */
export function readStatement(kind: string, text: string, reading: Reading): object | string {
  try {
    return readers[kind]!(text, reading)
  } catch (error) {
    if (error instanceof Refused) return error.message
    throw error
  }
}

/** The key of a server, account or connection: `[role, 32 bytes in base64url]`, or none. */
export function readNKey(text: string): readonly [string, string] | undefined {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  if (!/^[A-Z2-7]{56}$/.test(text)) return undefined
  const bits = Array.from(text, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const bytes = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)))
  const sum = bytes.subarray(0, 33).reduce((crc, byte) => {
    for (let bit = 7; bit >= 0; bit -= 1) {
      const carry = ((crc >> 15) ^ (byte >> bit)) & 1
      crc = ((crc << 1) & 0xffff) ^ (carry === 1 ? 0x1021 : 0)
    }
    return crc
  }, 0)
  const role = { 0xa0: 'user', 0x68: 'server', 0x00: 'account' }[bytes[0]!]
  if (role === undefined || bytes.readUInt16LE(33) !== sum) return undefined
  const key = bytes.subarray(1, 33)
  return isDid(didOf(key)) ? [role, key.toString('base64url')] : undefined
}

/** Whether that is a signature of the server, account or connection of that key. */
export function isSignedByNKey(text: string, signed: Buffer, signature: Buffer | undefined): boolean {
  const key = readNKey(text)
  if (key === undefined || signature?.length !== 64) return false
  const verified = verifySignature(didOf(Buffer.from(key[1], 'base64url')), signed, signature)
  return verified.ok && verified.value
}

const didOf = (key: Buffer): string => `did:key:z${base58(Buffer.concat([Buffer.from([0xed, 1]), key]))}`

/** The token of a name, or none. */
export function tokenOfName(name: string): string | undefined {
  return isName(name) ? name.replaceAll('.', '=2E') : undefined
}

export const isDid = (text: unknown): text is string => typeof text === 'string' && didToPublicKey(text).ok

function base58(bytes: Buffer): string {
  let [value, text] = [BigInt(`0x${bytes.toString('hex')}`), '']
  for (; value > 0n; value /= 58n)
    text = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'[Number(value % 58n)]! + text
  return text
}

const isName = (name: unknown): boolean =>
  typeof name === 'string' && /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/.test(name)
const isWord = (word: unknown): word is string => typeof word === 'string' && /^[a-z0-9-]{1,32}$/.test(word)
export const isWhole = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0
const isBytes = (value: unknown, length: number): value is string =>
  typeof value === 'string' && base64url(value)?.length === length

export function base64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}

/** Strict JSON: one object, no member twice at any depth, whole numbers written as such. */
export function strictObject(bytes: Buffer | undefined): Claims {
  must(bytes)
  const text = bytes.toString('utf8')
  must(Buffer.from(text).equals(bytes) && text.startsWith('{'))
  const open: Set<string>[] = []
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*|[{}]/gs
  for (const [each, isMember] of text.matchAll(token)) {
    if (each === '{') open.push(new Set())
    else if (each === '}') open.pop()
    else if (isMember !== undefined) {
      const name = parsed(each.slice(0, each.lastIndexOf(':'))) as string
      must(!open.at(-1)?.has(name))
      open.at(-1)?.add(name)
    } else if (!each.startsWith('"')) must(/^(?:0|[1-9]\d*)$/.test(each) && BigInt(each) < 2n ** 64n)
  }
  const object = parsed(text)
  must(typeof object === 'object' && object !== null && !Array.isArray(object))
  return object as Claims
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refused('INVALID_TOKEN')
  }
}

interface Parts {
  readonly kid: unknown
  readonly claims: Claims
  readonly signed: Buffer
  readonly signature: Buffer | undefined
}

/** Check 1, and of check 2 that exactly these claims are there; those with a question mark may be. */
function split(text: string, typ: string, names: readonly string[]): Parts {
  must(Buffer.byteLength(text) <= 2048)
  const segments = text.split('.')
  must(segments.length === 3)
  const [head, payload, signature] = segments.map(base64url)
  const { alg, kid, typ: named, ...more } = strictObject(head)
  must(alg === 'EdDSA' && named === typ && typeof kid === 'string' && Object.keys(more).length === 0)
  must(signature?.length === 64)
  const claims = strictObject(payload)
  const all = names.map((name) => name.replace('?', ''))
  must(Object.entries(claims).every(([name, value]) => all.includes(name) && value !== null))
  must(names.every((name) => name.endsWith('?') || name in claims))
  return { kid, claims, signed: Buffer.from(text.slice(0, text.lastIndexOf('.'))), signature }
}

/** The rest of check 2, and the checks behind it. */
function judge(parts: Parts, reading: Reading, longest: number | undefined, mayIssue: (did: string) => boolean): void {
  const { kid, claims, signed, signature } = parts
  const { iss, aud, iat, exp } = claims
  must(typeof iss === 'string' && typeof aud === 'string' && isWhole(iat))
  if (longest !== undefined) {
    must(isWhole(exp))
    const life = exactly(parts, 'exp') - exactly(parts, 'iat')
    must(life > 0n && life <= longest)
  }
  must(isDid(iss))
  must(mayIssue(iss), 'UNTRUSTED_ISSUER')
  must(aud === reading.namespace, 'WRONG_AUDIENCE')
  must(kid === `${iss}#${iss.slice('did:key:'.length)}`)
  must(iat <= reading.now + reading.skew, 'TOKEN_NOT_YET_VALID')
  if (longest !== undefined) must(reading.now < (exp as number) + reading.skew, 'TOKEN_EXPIRED')
  const verified = verifySignature(iss, signed, signature!)
  must(verified.ok && verified.value)
}

/** A whole number as it stands there, also where no double holds it. */
function exactly({ signed }: Parts, name: string): bigint {
  const payload = base64url(signed.toString().split('.')[1] ?? '')
  const [, digits] = new RegExp(`"${name}"\\s*:\\s*(\\d+)`).exec(String(payload)) ?? []
  return BigInt(digits ?? -1)
}

const none = <T>(value: T | undefined): T | null => value ?? null
const tokenOf = (did: unknown): string => String(did).slice('did:key:'.length)
const isOperator =
  ({ operators }: Reading) =>
  (did: string): boolean =>
    operators.includes(did)

function isHost(host: unknown, did: unknown): boolean {
  const key = typeof host === 'string' ? readNKey(host) : undefined
  if (key?.[0] !== 'user') return false
  const own = isDid(did) ? didToPublicKey(did) : undefined
  return !(own?.ok === true && Buffer.from(own.value).toString('base64url') === key[1])
}

const readers: Record<string, (text: string, reading: Reading) => object> = {
  presence(text, reading) {
    const names = ['iss', 'aud', 'iat', 'exp', 'name?', 'ses', 'host', 'key?', 'frame', 'caps']
    const parts = split(text, 'agent-presence+jwt', names)
    const { iss, iat, exp, name, ses, host, key, frame, caps } = parts.claims
    must(name === undefined || isName(name))
    must(isBytes(ses, 16) && (key === undefined || isBytes(key, 32)) && typeof host === 'string')
    must(isWhole(frame) && frame >= 8192 && frame <= 67_108_864 && isHost(host, undefined))
    must(Array.isArray(caps) && caps.length <= 16 && caps.every(isWord) && new Set(caps).size === caps.length)
    judge(parts, reading, 30, (did) => reading.agent === undefined || did === reading.agent)
    must(isHost(host, iss))
    must(reading.key === undefined || reading.key === `${host}.${tokenOf(iss)}`)
    const said = { agent: iss, capabilities: caps, encryptionKey: none(key), expiresAt: exp, host, issuedAt: iat }
    return { ...said, maxFrame: frame, name: none(name), session: ses }
  },
  name(text, reading) {
    const parts = split(text, 'agent-name+jwt', ['iss', 'aud', 'iat', 'name'])
    const { iss, iat, name } = parts.claims
    must(isName(name))
    judge(parts, reading, undefined, () => true)
    must(reading.key === undefined || reading.key === tokenOfName(name as string))
    return { agent: iss, issuedAt: iat, name }
  },
  mailbox(text, reading) {
    const parts = split(text, 'agent-mailbox+jwt', ['iss', 'aud', 'iat', 'exp', 'retain', 'key?'])
    const { iss, iat, exp, retain, key } = parts.claims
    must(isWhole(retain) && retain >= 1 && retain <= 604_800 && (key === undefined || isBytes(key, 32)))
    const owner = reading.key === undefined ? reading.agent : `did:key:${reading.key}`
    must(reading.key === undefined || isDid(owner))
    judge(parts, reading, 604_800, (did) => did === owner)
    return { agent: iss, encryptionKey: none(key), expiresAt: exp, issuedAt: iat, retain }
  },
  stop(text, reading) {
    const parts = split(text, 'agent-stop+jwt', ['iss', 'aud', 'iat', 'verb', 'sub?', 'tok?', 'since?', 'reason?'])
    const { iss, iat, verb, sub, tok, since, reason } = parts.claims
    must(verb === 'stop' || verb === 'resume')
    must((sub === undefined) !== (tok === undefined) && (sub === undefined || isDid(sub)))
    // eslint-disable-next-line no-control-regex
    must(tok === undefined || (typeof tok === 'string' && /^[^\p{Cc}]+$/u.test(tok) && Buffer.byteLength(tok) <= 512))
    must(since === undefined || (isWhole(since) && verb === 'stop' && isWhole(iat) && since <= iat))
    must(reason === undefined || isWord(reason))
    judge(parts, reading, undefined, isOperator(reading))
    const said = { agent: none(sub), issuedAt: iat, operator: iss, reason: none(reason), since: none(since) }
    return { ...said, token: none(tok), verb }
  },
  heartbeat(text, reading) {
    const parts = split(text, 'agent-heartbeat+jwt', ['iss', 'aud', 'iat', 'exp', 'seq', 'count', 'set'])
    const { iss, iat, exp, seq, count, set } = parts.claims
    must(isWhole(seq) && isWhole(count) && isBytes(set, 32))
    judge(parts, reading, 60, isOperator(reading))
    return { count, expiresAt: exp, issuedAt: iat, operator: iss, seq, set }
  },
  connection(text, reading) {
    const parts = split(text, 'agent-connection+jwt', ['iss', 'aud', 'jti', 'iat', 'exp', 'nkey'])
    const { iss, jti, iat, exp, nkey } = parts.claims
    must(isBytes(jti, 16) && isHost(nkey, undefined))
    judge(parts, reading, 60, () => true)
    must(isHost(nkey, iss))
    return { agent: iss, expiresAt: exp, id: jti, issuedAt: iat, nkey }
  },
}
