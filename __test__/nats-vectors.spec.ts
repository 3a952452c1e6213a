// vectors/nats.json, read by an implementation of its own: helpers/nats-statements.ts, nats-stops.ts and nats-requests.ts.
import { readFileSync } from 'node:fs'
import { Identity } from '@private.me/autogen'
import { expect, test } from 'vitest'
import { readRequest, readSigned } from './helpers/nats-requests'
import { isDid, readNKey, readStatement, tokenOfName, type Claims } from './helpers/nats-statements'
import { keyOf, Stops } from './helpers/nats-stops'
import { valueOf } from './helpers/result'

interface Case {
  readonly name: string
  readonly statement: string
  readonly text: string
  readonly expect: 'accept' | 'reject'
  readonly code?: string
  readonly is?: object
  readonly now?: number
  readonly operators?: readonly string[]
  readonly agent?: string
  readonly key?: string
}

interface Step {
  readonly take: string
  readonly text: string
  readonly now: number
  readonly code: string | null
  readonly standing: { readonly agent: string; readonly worker: string; readonly token: string }
}

interface History {
  readonly name: string
  readonly operators: readonly string[]
  readonly capacity: number
  readonly steps: readonly Step[]
}

interface Request {
  readonly name: string
  readonly text: string
  readonly at?: string
  readonly code?: string
  readonly is?: object
  readonly after?: string
  readonly now?: number
  readonly account?: string
}

const file = JSON.parse(readFileSync(new URL('../vectors/nats.json', import.meta.url), 'utf8')) as {
  readonly namespace: string
  readonly now: number
  readonly skew: number
  readonly operators: readonly string[]
  readonly statements: readonly Case[]
  readonly histories: readonly History[]
  readonly account: string
  readonly requests: readonly Request[]
  readonly answers: { readonly yes: string; readonly no: string; readonly rights: Record<string, string[]> }
  readonly nkeys: readonly { readonly text: string; readonly role: string; readonly key?: string }[]
  readonly names: readonly { readonly name?: string; readonly token?: string }[]
  readonly dids: readonly { readonly did?: string; readonly token?: string }[]
}

test('every statement gets its verdict', () => {
  const { namespace, now, skew, operators, statements } = file
  expect(statements.length).toBeGreaterThan(300)
  for (const each of statements) {
    const reading = { namespace, skew, operators, now, ...each }
    const said = readStatement(each.statement, each.text, reading)
    expect(said, each.name).toEqual(each.expect === 'accept' ? each.is : each.code)
  }
})

test('every reader of stops knows the same', () => {
  const { namespace, skew, histories } = file
  const [agent, worker] = [2, 3].map((byte) => valueOf(Identity.fromSeed(new Uint8Array(32).fill(byte))).did)
  expect(histories.length).toBeGreaterThan(10)
  for (const { name, operators, capacity, steps } of histories) {
    const stops = new Stops(namespace, operators, skew, capacity)
    for (const [at, { take, text, now, code, standing }] of steps.entries()) {
      const said = stops.take(take, text, now)
      const of = (did: string | null, token: string | null): string => stops.standing(keyOf(did, token), now)
      const known = { agent: of(agent!, null), worker: of(worker!, null), token: of(null, 'invoice-7') }
      expect([said, known], `${name}, step ${at + 1}`).toEqual([code, standing])
    }
  }
})

test('every request of a server gets its verdict', () => {
  const { requests, namespace, skew } = file
  const read = ({ text, now = file.now, account = file.account }: Request, used: Set<string>): unknown =>
    readRequest(text, { namespace, account, now, skew, used })
  expect(requests.length).toBeGreaterThan(40)
  for (const each of requests) {
    const used = new Set<string>()
    const first = requests.find(({ name }) => name === each.after)
    if (first !== undefined) read(first, used)
    expect(read(each, used), each.name).toEqual(each.is ?? [each.at, each.code])
  }
})

/** Rights hold numbers below zero: no limit. */
const lenient = (bytes: Buffer | undefined): Claims => JSON.parse(String(bytes)) as Claims

test('answers are what a server takes', () => {
  const { requests, account, answers } = file
  const { server, user } = requests[0]!.is as { server: string; user: string }
  for (const [answer, member] of [
    ['yes', 'jwt'],
    ['no', 'error'],
  ] as const) {
    const { iss, aud, sub, nats } = readSigned(answers[answer], () => account)
    expect([iss, aud, sub]).toEqual([account, server, user])
    const said = nats as Record<string, unknown>
    expect([said['type'], said['version'], Object.keys(said).length]).toEqual(['authorization_response', 2, 3])
    if (member === 'error') expect(said[member]).toBe('REVOKED')
    else {
      const { aud, sub, nats } = readSigned(String(said[member]), () => account, lenient)
      const { pub, sub: may } = nats as { pub: object; sub: object }
      const { publish, subscribe } = answers.rights
      expect([aud, sub, pub, may]).toEqual(['AGENTS', user, { allow: publish }, { allow: subscribe }])
    }
  }
})

test('keys of NATS have one spelling', () => {
  for (const { text, role, key } of file.nkeys) {
    const read = readNKey(text)
    if (key === undefined) expect(read?.[0] === role, text).toBe(false)
    else expect(read, text).toEqual([role, key])
  }
})

test('names and DIDs have one token each', () => {
  for (const { name, token } of file.names) {
    if (name !== undefined) expect(tokenOfName(name), name).toBe(token)
    else if (token !== undefined) expect(tokenOfName(token.replaceAll('=2E', '.')) === token, token).toBe(false)
  }
  for (const { did, token = '' } of file.dids) expect(isDid(`did:key:${token}`), token).toBe(did !== undefined)
})
