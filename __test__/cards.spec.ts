// What agents offer, signed by them: read strictly, by others as well.
import {
  AutoGenxBindAgent,
  didToPublicKey,
  Identity,
  MessageBus,
  verifyCard,
  type AgentCard,
} from '@private.me/autogen'
import { compactVerify, importJWK, SignJWT, importPKCS8 } from 'jose'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { codeOf, valueOf } from './helpers/result.ts'
import { vectors } from './helpers/vectors.ts'

interface CardCase {
  name: string
  why: string
  expect: 'accept' | 'reject'
  code?: string
  card: string
  did?: string | null
  now?: number
  is?: Partial<AgentCard>
}

describe('vectors/cards.json', () => {
  const { now, did, cases } = vectors<{ now: number; did: string; cases: CardCase[] }>('cards.json')

  test.each(cases)('$name: $why', (each) => {
    const expected = each.did === undefined ? did : each.did
    const verified = verifyCard(each.card, { now: each.now ?? now, ...(expected !== null && { did: expected }) })
    expect(codeOf(verified)).toBe(each.expect === 'accept' ? 'ok' : each.code)
    if (each.is) expect(valueOf(verified)).toEqual({ ...each.is, jws: each.card })
  })

  test('there are many refusals among them', () => {
    expect(cases.filter((each) => each.expect === 'reject').length).toBeGreaterThan(60)
  })
})

describe('jose', () => {
  /** The example of docs/cards.md, as it stands there. */
  async function verified(did: string, jws: string): Promise<{ methods: { name: string }[] }> {
    const page = readFileSync(new URL('../docs/cards.md', import.meta.url), 'utf8')
    const [, code = ''] = /^```ts\n(.*?)^```$/ms.exec(page) ?? []
    const body = code.replaceAll(/^import .*\n/gm, '')
    const make = Object.getPrototypeOf(async () => {}).constructor as new (
      ...of: string[]
    ) => (...of: unknown[]) => Promise<unknown>
    const run = new make('did', 'jws', 'compactVerify', 'importJWK', 'didToPublicKey', `${body}\nreturn card`)
    return (await run(did, jws, compactVerify, importJWK, didToPublicKey)) as { methods: { name: string }[] }
  }

  test('verifies a card as the page says, and refuses another agent’s, a stale and a changed one', async () => {
    const bus = new MessageBus()
    const [writer, other] = ['writer', 'other'].map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus } }))
    writer!.handle('summarise', () => 1)
    const { jws } = valueOf(await writer!.describe())
    expect((await verified(writer!.getDID(), jws)).methods).toEqual([{ name: 'summarise', scopes: [] }])
    await expect(verified(other!.getDID(), jws)).rejects.toThrow('signature')
    await expect(verified(writer!.getDID(), jws.replace('.e', '.f'))).rejects.toThrow('signature')
    const { cases, did } = vectors<{ did: string; cases: CardCase[] }>('cards.json')
    await expect(verified(did, cases.find(({ name }) => name === 'honest')!.card)).rejects.toThrow('stale')
    bus.close()
  })

  test('signs a card that is accepted here', async () => {
    const identity = Identity.generate()
    const key = await importPKCS8(valueOf(identity.toPKCS8({ format: 'pem' })), 'EdDSA')
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: identity.did,
      iat: now,
      exp: now + 60,
      methods: [{ name: 'a', scopes: ['b:c'] }],
      addresses: [],
    }
    const header = { alg: 'EdDSA', kid: `${identity.did}#${identity.did.slice(8)}`, typ: 'agent-card+jwt' }
    const card = valueOf(
      verifyCard(await new SignJWT(claims).setProtectedHeader(header).sign(key), { did: identity.did }),
    )
    expect(card.methods).toEqual([{ name: 'a', scopes: ['b:c'] }])
  })

  test('nobody is made to sign one unawares', () => {
    const [input = ''] = /^[^.]+\.[^.]+/.exec(vectors<{ cases: CardCase[] }>('cards.json').cases[0]!.card) ?? []
    expect(() => Identity.generate().sign(Buffer.from(input))).toThrow(expect.objectContaining({ code: 'SIGN_FAILED' }))
  })
})

test('options of verifyCard that are none throw', () => {
  expect(() => verifyCard(1 as never)).toThrow(TypeError)
  expect(() => verifyCard('x', { DID: 'x' } as never)).toThrow(TypeError)
  expect(() => verifyCard('x', { clockSkewSeconds: 301 })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }))
  expect(codeOf(verifyCard('x', { now: 1.5 }))).toBe('INVALID_CONFIG')
  expect(codeOf(verifyCard('x', { did: 'writer' }))).toBe('INVALID_DID')
  expect(codeOf(verifyCard('x'))).toBe('INVALID_TOKEN')
})
