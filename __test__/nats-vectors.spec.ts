// vectors/nats.json, read by an implementation of its own: helpers/nats-statements.ts.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isDid, readNKey, readStatement, tokenOfName } from './helpers/nats-statements'

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

const file = JSON.parse(readFileSync(new URL('../vectors/nats.json', import.meta.url), 'utf8')) as {
  readonly namespace: string
  readonly now: number
  readonly skew: number
  readonly operators: readonly string[]
  readonly statements: readonly Case[]
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
