// Bytes that another thread writes to all the time: what was checked is what is used, and nothing is read twice.
import { Worker } from 'node:worker_threads'
import { AutoGenxBindAgent, Identity, MessageBus, publicKeyToDID, verifySignature } from '@private.me/autogen'
import { approveCall, verifyApproval } from '@private.me/autogen/tokens'
import { MessageVerifier } from '@private.me/autogen/messages'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { valueOf } from './helpers/result.ts'
import { utf8 } from './helpers/vectors.ts'

const SIZE = 1 << 16
const ROUNDS = 300

/** Changes between two states, byte by byte and as fast as it can. */
const writer = `
  const { workerData: { memory, counter, states } } = require('node:worker_threads')
  const turns = new Int32Array(counter)
  for (let turn = 0; Atomics.load(turns, 1) === 0; turn++) {
    new Uint8Array(memory).set(states[turn % states.length])
    Atomics.add(turns, 0, 1)
  }
`

interface Live {
  bytes: Uint8Array
  stop(): Promise<unknown>
}

async function live(states: Uint8Array[]): Promise<Live> {
  const memory = new SharedArrayBuffer(states[0]!.length)
  const counter = new SharedArrayBuffer(8)
  const turns = new Int32Array(counter)
  new Uint8Array(memory).set(states[0]!)
  const worker = new Worker(writer, { eval: true, workerData: { memory, counter, states } })
  while (Atomics.load(turns, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  const stop = (): Promise<unknown> => {
    Atomics.store(turns, 1, 1)
    return worker.terminate()
  }
  return { bytes: new Uint8Array(memory), stop }
}

const [a, b] = [new Uint8Array(SIZE).fill(0x61), new Uint8Array(SIZE).fill(0x62)]
const other = Identity.generate()

describe('a body, payload or text to sign', () => {
  let memory: Live
  beforeAll(async () => {
    memory = await live([a, b])
  })
  afterAll(() => memory.stop())

  test.each(['sign', 'dangerouslySign'] as const)('%s: no two signatures share R and differ in S', (method) => {
    const identity = Identity.generate()
    const seen = new Map<string, string>()
    for (let n = 0; n < ROUNDS; n++) {
      const signature = Buffer.from(identity[method](memory.bytes)).toString('hex')
      const [r, s] = [signature.slice(0, 64), signature.slice(64)]
      expect(seen.get(r) ?? s).toBe(s)
      seen.set(r, s)
    }
  })

  test('seal: what comes back is what was signed', () => {
    const [identity, verifier] = [Identity.generate(), new MessageVerifier({ audience: other.did })]
    for (let n = 0; n < ROUNDS; n++) {
      const { jws, body } = valueOf(identity.seal({ op: 'send', to: other.did, body: memory.bytes }))
      expect(body.buffer).not.toBe(memory.bytes.buffer)
      valueOf(verifier.open(jws, body))
    }
  })

  test('open: what comes back is what was verified', () => {
    const [identity, verifier] = [Identity.generate(), new MessageVerifier({ audience: other.did })]
    for (let n = 0; n < ROUNDS; n++) {
      const { jws } = valueOf(identity.seal({ op: 'send', to: other.did, body: a }))
      const opened = verifier.open(jws, memory.bytes)
      if (opened.ok) expect(Buffer.compare(opened.value.body, a)).toBe(0)
      else expect(opened.error.code).toBe('INVALID_SIGNATURE')
    }
  })

  test('approvals are of one state', () => {
    const call = { caller: Identity.generate().did, recipient: other.did, body: a }
    const approver = Identity.generate()
    const statement = valueOf(approveCall(approver, { decision: 'approve', call }))
    for (let n = 0; n < ROUNDS; n++) {
      const seen = verifyApproval(statement, { call: { ...call, body: memory.bytes }, approvers: [approver.did] })
      expect(['ok', 'INVALID_SIGNATURE']).toContain(seen.ok ? 'ok' : seen.error.code)
      valueOf(approveCall(approver, { decision: 'deny', call: { ...call, body: memory.bytes } }))
    }
  })

  test('payloads arrive, with calls and answers', async () => {
    const bus = new MessageBus()
    const [sender, echo] = [
      new AutoGenxBindAgent({ agentOptions: { bus } }),
      new AutoGenxBindAgent({ name: 'echo', agentOptions: { bus } }),
    ]
    echo.handle(() => memory.bytes)
    for (let n = 0; n < ROUNDS / 10; n++) {
      const answers = await Promise.all([sender.call('echo', memory.bytes), sender.send('echo', memory.bytes)])
      for (const answer of answers) valueOf<unknown>(answer)
    }
    for (const { payload } of valueOf(await echo.receive())) expect(payload).toHaveLength(SIZE)
    bus.close()
  })

  test('verifySignature holds for one state', () => {
    const identity = Identity.generate()
    const signature = identity.sign(a)
    for (let n = 0; n < ROUNDS; n++) {
      expect(typeof valueOf(verifySignature(identity.did, memory.bytes, signature))).toBe('boolean')
    }
  })
})

describe('keys and signatures', () => {
  /** One of these while others are written over it. */
  async function during(states: Uint8Array[], use: (bytes: Uint8Array) => void): Promise<void> {
    const memory = await live(states)
    try {
      for (let n = 0; n < ROUNDS; n++) use(memory.bytes)
    } finally {
      await memory.stop()
    }
  }

  /** Its parts must belong to one key, whichever it is. */
  function expectWhole(identity: Identity): void {
    expect(valueOf(verifySignature(identity.did, utf8('x'), identity.sign(utf8('x'))))).toBe(true)
    expect(valueOf(Identity.fromPKCS8(valueOf(identity.toPKCS8()))).did).toBe(identity.did)
  }

  test('a seed is read once', () =>
    during([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)], (seed) =>
      expectWhole(valueOf(Identity.fromSeed(seed))),
    ))

  test('a key file is read once', async () => {
    const files = [Identity.generate(), Identity.generate()].map((identity) => valueOf(identity.toPKCS8()))
    await during(files, (file) => expectWhole(valueOf(Identity.fromPKCS8(file))))
  })

  test('a public key is read once', () =>
    during([Identity.generate().publicKey, Identity.generate().publicKey], (key) => {
      const did = publicKeyToDID(key)
      if (did.ok) valueOf(verifySignature(did.value, a, new Uint8Array(64)))
      else expect(did.error.code).toBe('INVALID_KEY')
    }))

  test('a signature is read once, also that of a provider', async () => {
    const identity = Identity.generate()
    const [right, wrong] = [identity.sign(a), new Uint8Array(64)]
    await during([right, wrong], (signature) => {
      expect(typeof valueOf(verifySignature(identity.did, a, signature))).toBe('boolean')
    })
    const bus = new MessageBus()
    const shared = new Uint8Array(new SharedArrayBuffer(64))
    const provider = {
      getDID: () => identity.did,
      sign: (bytes: Uint8Array) => (shared.set(identity.dangerouslySign(bytes)), shared),
    }
    const agent = new AutoGenxBindAgent({ identityProvider: provider, agentOptions: { bus } })
    const echo = new AutoGenxBindAgent({ name: 'echo', agentOptions: { bus } })
    echo.handle(({ payload }) => payload)
    expect(valueOf(await agent.call('echo', 1))).toBe(1)
    bus.close()
  })
})

describe('arrays that change their size', () => {
  const resizable = (length: number, maxByteLength: number): ArrayBuffer & { resize(length: number): void } =>
    new (ArrayBuffer as never as new (length: number, options: object) => never)(length, { maxByteLength })

  test('one that tracks its buffer is what it is now; one that lost its bytes is empty', () => {
    const identity = Identity.generate()
    const buffer = resizable(8, 64)
    const [tracking, fixed] = [new Uint8Array(buffer), new Uint8Array(buffer, 4, 4)]
    const expectSigned = (bytes: Uint8Array, as: Uint8Array): void =>
      expect(Buffer.from(identity.sign(bytes))).toEqual(Buffer.from(identity.sign(as)))
    tracking.fill(7)
    expectSigned(tracking, new Uint8Array(8).fill(7))
    buffer.resize(64)
    expectSigned(tracking, Uint8Array.from(tracking))
    expectSigned(fixed, new Uint8Array(4).fill(7))
    buffer.resize(2)
    expectSigned(tracking, new Uint8Array(2).fill(7))
    expectSigned(fixed, new Uint8Array())
    buffer.resize(0)
    expectSigned(tracking, new Uint8Array())
  })

  test('a detached one has no bytes', () => {
    const bytes = new Uint8Array(32)
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    const identity = Identity.generate()
    expect(Buffer.from(identity.sign(bytes))).toEqual(Buffer.from(identity.sign(new Uint8Array())))
    expect(Identity.fromSeed(bytes).ok).toBe(false)
    expect(Identity.fromPKCS8(bytes).ok).toBe(false)
    expect(() => identity.seal({ op: 'send', to: other.did, body: bytes })).toThrow(TypeError)
  })

  test('a length of its own changes nothing', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 5
      }
    }
    const identity = Identity.generate()
    expect(valueOf(Identity.fromSeed(new Liar(32))).did).toBe(valueOf(Identity.fromSeed(new Uint8Array(32))).did)
    expect(Buffer.from(identity.sign(new Liar(9)))).toEqual(Buffer.from(identity.sign(new Uint8Array(9))))
  })
})
