// Agents on a hand-rolled bus, behind the interface that the suites drive.
import { randomUUID } from 'node:crypto'
import { carried } from './parts.mjs'
import { SignedBus, seal } from './signed-bus.mjs'

export function signedIdentity(createKey) {
  return () => {
    const key = createKey()
    return { create: () => createKey().did, sign: key.sign, verify: key.verify }
  }
}

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

// Each part is signed by the writer for its reader, its call and its place, and verified as a reply is.
export function signedStream(createKey) {
  return (source) => {
    const bus = new SignedBus()
    const [reader, writer] = ['reader', 'writer'].map((name, i) => bus.join(name, createKey(i), null))
    return () => {
      const irt = randomUUID()
      const put = (seq, payload) =>
        seal(writer.key, { op: 'part', aud: reader.key.did, jti: randomUUID(), irt, seq }, payload)
      const open = (seq, envelope) => {
        const { claims, payload } = bus.open(reader, envelope)
        if (claims.op !== 'part' || claims.irt !== irt || claims.seq !== seq) throw new Error('not this part')
        return payload
      }
      return carried(source(), put, open)
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
