// An approval counts once, for a call that begins: one that was refused before it began gives it back, and what happened to
// it while a record waited is seen.
import { AutoGenxBindAgent, Identity, MessageBus } from '@private.me/autogen'
import { approveRequest, RequestVerifier, signRequest } from '@private.me/autogen/http'
import { approveCall } from '@private.me/autogen/tokens'
import { expect, test } from 'vitest'
import { slow, type Slow } from './helpers/record.ts'
import { codeOf, valueOf } from './helpers/result.ts'

const [boss, clerk] = [Identity.generate(), Identity.generate()]

/** A worker with that log whose calls need the approval of the boss, and an approval of the call with 5. */
function scene(log: Slow['log']): {
  bus: MessageBus
  ran: unknown[]
  approval: string
  handle: (name: string) => void
  call: () => Promise<string>
} {
  const bus = new MessageBus()
  const caller = new AutoGenxBindAgent({ identityProvider: clerk, agentOptions: { bus } })
  const worker = new AutoGenxBindAgent({ name: 'worker', agentOptions: { bus }, audit: log })
  const ran: unknown[] = []
  const handle = (name: string): void => {
    worker.handle(() => ran.push(name), { approval: { by: boss.did } })
  }
  handle('first')
  const body = Buffer.from('5')
  const about = { caller: clerk.did, recipient: worker.getDID(), body, contentType: 'application/json' }
  const approval = valueOf(approveCall(boss, { decision: 'approve', call: about }))
  return { bus, ran, approval, handle, call: async () => codeOf(await caller.call('worker', 5, { approval })) }
}

test.each(['always', 'batch', 'none'] as const)(
  'an approval whose call cannot be recorded may be used again (%s)',
  async (sync) => {
    const { log, setBroken } = await slow(sync)
    const { bus, ran, call } = scene(log)
    valueOf(await log.flush())
    setBroken(true)
    log.append({ event: 'x', outcome: 'accepted' })
    expect(codeOf(await log.flush())).toBe('AUDIT_FAILED')
    expect(await call()).toBe('AUDIT_FAILED')
    setBroken(false)
    await expect.poll(async () => codeOf(await log.flush())).toBe('ok')
    expect([await call(), await call(), ran]).toEqual(['ok', 'APPROVAL_REQUIRED', ['first']])
    bus.close()
    valueOf(await log.close())
  },
)

test('an approver who is stopped while the record waits has approved of nothing', async () => {
  const { log, records, hold, letGo } = await slow()
  const { bus, ran, call } = scene(log)
  valueOf(await log.flush())
  const held = hold()
  const calling = call()
  await held
  valueOf(bus.stop(boss.did))
  letGo()
  expect([await calling, ran]).toEqual(['APPROVAL_REQUIRED', []])
  valueOf(await log.flush())
  expect(records().at(-1)).toMatchObject({ event: 'call', outcome: 'refused', code: 'APPROVAL_REQUIRED' })
  bus.close()
  valueOf(await log.close())
})

test('a call whose handler is replaced while its record waits goes to the new one, with the approval that it has used', async () => {
  const { log, hold, letGo } = await slow()
  const { bus, ran, call, handle } = scene(log)
  valueOf(await log.flush())
  const held = hold()
  const calling = call()
  await held
  handle('second')
  letGo()
  expect([await calling, await call(), ran]).toEqual(['ok', 'APPROVAL_REQUIRED', ['second']])
  bus.close()
  valueOf(await log.close())
})

test('an approval of a request that expires while the record waits does not count', async () => {
  const { log, records, hold, letGo } = await slow()
  let late = 0
  const now = (): number => Math.floor(Date.now() / 1000) + late
  const verifier = new RequestVerifier({
    authorities: ['billing.example'],
    dangerouslyAcceptReplayAfterRestart: true,
    audit: log,
    now,
    approval: { by: boss.did },
  })
  const request = new Request('https://billing.example/pay', { method: 'POST', body: '5' })
  const about = { caller: clerk.did, recipient: 'https://billing.example', request: request.clone(), ttlSeconds: 60 }
  const approval = valueOf(await approveRequest(boss, { decision: 'approve', ...about }))
  const signed = valueOf(await signRequest(clerk, request, { approval }))
  const held = hold()
  const verifying = verifier.verify(signed)
  await held
  late = 120
  letGo()
  expect(codeOf(await verifying)).toBe('APPROVAL_REQUIRED')
  valueOf(await log.flush())
  expect(records().map(({ outcome }) => outcome)).toEqual(['accepted', 'refused'])
  valueOf(await log.close())
})
