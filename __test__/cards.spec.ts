// What agents offer, signed by them: read strictly, by others as well.
import { verifyCard, type AgentCard } from '@private.me/autogen'
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
