// Rights that are granted, handed on in part, used, refused, approved and taken back. Run it: node examples/rights/index.mjs
import assert from 'node:assert/strict'
import { approvals, AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
import { RevocationList } from '@private.me/autogen/tokens'

const valueOf = (result) => (result.ok ? result.value : assert.fail(result.error))
const show = (what, value) => console.log(`${what.padEnd(24)}${value}`)

const bus = new MessageBus()
const names = ['operator', 'planner', 'worker', 'ledger']
const [operator, planner, worker, ledger] = names.map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus } }))
const [audience, trust, revocations] = [ledger.getDID(), [operator.getDID()], new RevocationList()]
const expectRefusal = async (code, call) => {
  const { ok, error } = await call
  assert.equal(ok ? 'ok' : error.code, code)
  show('  refused', `${error.code}: ${error.hint ?? error.message}`)
  return error
}

console.log('The operator grants, and the planner hands a part on to the worker')
const granted = valueOf(await operator.grant({ subject: planner.getDID(), audience, scopes: ['invoice.*'] }))
const token = valueOf(await planner.delegate(granted, { subject: worker.getDID(), scopes: ['invoice.read'] }))
ledger.handle(({ scopes, chain }) => ({ scopes, chain }), { trust, scopes: ['invoice.read'], revocations })
const seen = valueOf(await worker.call('ledger', { read: 7 }, { token }))
const chain = [operator, planner, worker].map((agent) => agent.getDID())
assert.deepEqual(seen, { scopes: ['invoice.read'], chain })
show('  the handler sees', `${seen.scopes.join(' ')}, ${seen.chain.length} agents in the chain`)

console.log('Nobody does more than was granted')
ledger.handle(() => 'paid', { trust, scopes: ['invoice.pay'], revocations })
const { hint } = await expectRefusal('SCOPE_DENIED', worker.call('ledger', { pay: 7 }, { token }))
assert.match(hint, /invoice\.read/)
assert.equal(valueOf(await planner.call('ledger', { pay: 7 }, { token: granted })), 'paid')

console.log('Payments wait for the operator, who sees the very arguments')
operator.handle(approvals(operator, ({ payload, caller }) => payload.pay < 1000 && caller === planner.getDID()))
ledger.handle(() => 'paid', { trust, scopes: ['invoice.pay'], revocations, approval: { by: operator.getDID() } })
show('  approved', valueOf(await planner.call('ledger', { pay: 999 }, { token: granted })))
await expectRefusal('APPROVAL_REFUSED', planner.call('ledger', { pay: 1000 }, { token: granted }))

console.log('What the operator takes back ends with the next call, and so does what was handed on')
valueOf(revocations.revokeDID(planner.getDID()))
await expectRefusal('REVOKED', planner.call('ledger', { pay: 7 }, { token: granted }))
await expectRefusal('REVOKED', worker.call('ledger', { read: 7 }, { token }))

console.log('An agent that is stopped neither calls nor answers any more')
valueOf(bus.stop(worker.getDID()))
await expectRefusal('REVOKED', worker.call('planner', {}))
await expectRefusal('REVOKED', planner.call(worker.getDID(), {}))
console.log('\nAll as expected.')
