// Agents on a hand-rolled bus, behind the interface that the suites drive.
import { SignedBus, seal } from './signed-bus.mjs'

export function signedFleet(createKey) {
  return (count, handler, { timeoutMs } = {}) => {
    const bus = new SignedBus()
    const agents = Array.from({ length: count }, (_, i) => bus.join(`agent-${i}`, createKey(i), handler))
    return {
      call: (from, to, payload) => bus.call(agents[from], `agent-${to}`, payload, timeoutMs),
      close: () => {
        bus.close()
        agents.length = 0
      },
    }
  }
}

// Which forgeries the bus refuses: a peer that checks less than it says is not worth measuring.
export function signedRefusals(createKey) {
  return () => {
    const bus = new SignedBus()
    const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name, i) => bus.join(name, createKey(i), null))
    const message = (now) =>
      seal(alice.key, { op: 'call', aud: bob.key.did, jti: String(Math.random()) }, { n: 1 }, now)
    const refused = (me, envelope) => {
      try {
        bus.open(me, envelope)
        return false
      } catch {
        return true
      }
    }
    const original = message()
    return {
      'a good message': !refused(bob, original),
      'a replay': refused(bob, original),
      'another body': refused(bob, { ...message(), body: '{"n":2}' }),
      'other claims': refused(bob, { ...message(), signed: message().signed }),
      'another recipient': refused(carol, message()),
      'an old message': refused(bob, message(Date.now() / 1000 - 60)),
    }
  }
}
