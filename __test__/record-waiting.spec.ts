// Much may happen while a record waits for the disk: what no longer holds then is refused, and what came to nothing says so.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { RequestVerifier, signRequest } from '@private.me/autogen/http'
import { issueToken, RevocationList, TokenVerifier } from '@private.me/autogen/tokens'
import { expect, test } from 'vitest'
import { slow } from './helpers/record.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const [boss, clerk] = [Identity.generate(), Identity.generate()]
const audience = 'https://billing.example'
const right = { subject: clerk.did, audience, scopes: ['pay'] }

test('what was verified and does not hold any more when its record is there is refused', async () => {
  const { log, records, hold, letGo } = await slow()
  let late = 0
  const now = (): number => Math.floor(Date.now() / 1000) + late
  const revocations = new RevocationList()
  const options = {
    authorities: ['billing.example'],
    dangerouslyAcceptReplayAfterRestart: true,
    audit: log,
    revocations,
  }
  const timed = new TokenVerifier({ audience, trust: [boss.did], audit: log, now })
  const listed = new TokenVerifier({ audience, trust: [boss.did], audit: log, revocations })
  const allowed = new RequestVerifier(options)
  const entitled = new RequestVerifier({ ...options, trust: [boss.did] })
  const [expiring, revoked, shown, good] = [0, 1, 2, 3].map(() => valueOf(issueToken(boss, right)))
  const request = async (from: Identity, token?: string): Promise<Request> =>
    valueOf(await signRequest(from, new Request(`${audience}/pay`), token === undefined ? {} : { token }))
  const [sender, other] = [Identity.generate(), Identity.generate()]
  const requests = [await request(sender), await request(clerk, shown), await request(other)] as const
  const held = hold()
  const waiting = [
    timed.verify(expiring!),
    listed.verify(revoked!),
    allowed.verify(requests[0]),
    entitled.verify(requests[1]),
    listed.verify(good!),
    allowed.verify(requests[2]),
  ]
  await held
  late = 100_000
  const idOf = (token: string): string =>
    (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string }).jti
  for (const token of [revoked!, shown!]) valueOf(revocations.revokeToken(idOf(token)))
  valueOf(revocations.revokeDID(sender.did))
  letGo()
  const codes = (await Promise.all(waiting)).map(codeOf)
  expect(codes).toEqual(['TOKEN_EXPIRED', 'REVOKED', 'REVOKED', 'REVOKED', 'ok', 'ok'])
  valueOf(await log.flush())
  const told = records().map(({ event, outcome, code }) => [event, outcome, code].filter(Boolean).join(' '))
  expect(told.filter((each) => each.endsWith('accepted'))).toHaveLength(6)
  expect(told.filter((each) => each.includes('refused')).toSorted()).toEqual([
    'request refused REVOKED',
    'request refused REVOKED',
    'token refused REVOKED',
    'token refused TOKEN_EXPIRED',
  ])
  valueOf(await log.close())
})

test.each(['its caller has gone', 'its caller has given up', 'its agent has closed'])(
  'a call does not stay accepted where %s meanwhile',
  async (how) => {
    const { log, records, hold, letGo } = await slow()
    const bus = new MessageBus()
    const caller = new AutoGenxBindAgent({ agentOptions: { bus } })
    const ran: unknown[] = []
    const worker = new AutoGenxBindAgent({ name: 'worker', agentOptions: { bus }, audit: log })
    worker.handle(({ payload }) => ran.push(payload))
    valueOf(await log.flush())
    const held = hold()
    const first = caller.call('worker', 'first')
    await held
    const giving = new AbortController()
    const second = caller.call('worker', 'second', { timeoutMs: 1000, signal: giving.signal })
    if (how === 'its caller has given up') setTimeout(() => giving.abort(), 500)
    if (how === 'its agent has closed') setTimeout(() => worker.close(), 500)
    expect(codeOf(await second)).not.toBe('ok')
    letGo()
    await first
    const open = async (): Promise<number> => {
      valueOf(await log.flush())
      const calls = records().filter(({ event }) => event === 'call')
      const ended = new Set(calls.filter(({ outcome }) => outcome !== 'accepted').map(({ messageId }) => messageId))
      return calls.filter(({ messageId }) => !ended.has(messageId)).length
    }
    await expect.poll(open, { timeout: 20_000 }).toBe(0)
    expect(ran).not.toContain('second')
    bus.close()
    await log.close()
  },
)
