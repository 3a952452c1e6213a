// Whatever agents do to each other at once: every call ends, and none waits for its time limit.
import { AutoGenxBindAgent, HandlerError, Identity, type Handler, type Result } from '@private.me/autogen'
import { expect } from 'vitest'
import { test, turn, type Make } from './helpers/bus.ts'
import { codeOf } from './helpers/result.ts'

/** Numbers from 0 up to a limit that look random and come again with the same seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

const handlers: Handler[] = [
  ({ payload }) => payload,
  async ({ payload }) => payload,
  async ({ payload }) => (await turn(), payload),
  () => {
    throw new Error('x')
  },
  async () => {
    throw new HandlerError('E', 'm')
  },
  () => 5n,
  // Ends when its caller has given up, or by itself.
  ({ signal }) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve('aborted'))
      setTimeout(resolve, 5, 'late')
    }),
]

/** Ends that a call may come to here; TIMEOUT and INTERNAL are not among them. */
const ends = new Set([
  'ok',
  'ABORTED',
  'AGENT_CLOSED',
  'AGENT_NOT_FOUND',
  'AMBIGUOUS_NAME',
  'HANDLER_FAILED',
  'INBOX_FULL',
  'NOT_ALLOWED',
  'SIGN_FAILED',
  'WRONG_AUDIENCE',
])

class Crowd {
  readonly agents: AutoGenxBindAgent[]
  readonly ended: Promise<Result<unknown>>[] = []
  readonly #make: Make
  readonly #roll: (limit: number) => number

  constructor(make: Make, roll: (limit: number) => number) {
    this.#make = make
    this.#roll = roll
    this.agents = Array.from({ length: 20 }, () => this.#newcomer())
  }

  #newcomer(): AutoGenxBindAgent {
    const agentOptions = { concurrency: 1 + this.#roll(4), inbox: { maxMessages: 1 + this.#roll(50) } }
    const name = `agent-${this.#roll(25)}`
    if (this.#roll(4) > 0) return this.#make({ name, agentOptions })
    const identity = Identity.generate()
    const [slow, wrong] = [this.#roll(2) === 0, this.#roll(8) === 0]
    const sign = (bytes: Uint8Array) => (wrong ? new Uint8Array(64) : identity.dangerouslySign(bytes))
    const later = async (bytes: Uint8Array) => (await turn(), sign(bytes))
    return this.#make({
      name,
      agentOptions,
      identityProvider: { getDID: () => identity.did, sign: slow ? later : sign },
    })
  }

  step(): void {
    const roll = this.#roll
    const [index, other] = [roll(this.agents.length), roll(this.agents.length)]
    const [agent, peer] = [this.agents[index]!, this.agents[other]!]
    const to = roll(2) === 0 ? peer.getDID() : (peer.name ?? '')
    switch (roll(12)) {
      case 0:
        agent.close()
        this.agents[index] = this.#newcomer()
        break
      case 1:
        agent.handle(handlers[roll(handlers.length)]!, roll(4) === 0 ? { allow: [peer.getDID()] } : {})
        break
      case 2:
        agent.handle(roll(3) === 0 ? null : handlers[0]!, { allow: () => roll(5) > 0 })
        break
      case 3:
        void agent.receive({ waitMs: roll(2), max: 1 + roll(5) })
        break
      case 4:
        this.#abortSoon(agent, to)
        break
      case 5:
        for (let n = 0; n < roll(40); n++) this.ended.push(agent.call(to, n))
        break
      case 6:
      case 7:
        this.ended.push(agent.send(to, { some: 'payload' }))
        break
      default:
        this.ended.push(agent.call(to, 'x'.repeat(roll(2000))))
    }
  }

  #abortSoon(agent: AutoGenxBindAgent, to: string): void {
    const controller = new AbortController()
    this.ended.push(agent.call(to, 1, { signal: controller.signal }))
    if (this.#roll(2) === 0) controller.abort()
    else setImmediate(() => controller.abort())
  }
}

test.for([1, 2, 3, 4, 5, 6])('seed %i', async (seed, { agent }) => {
  const roll = dice(seed)
  const crowd = new Crowd(agent, roll)
  for (let n = 0; n < 1500; n++) {
    crowd.step()
    if (roll(6) === 0) await turn()
  }
  const codes = (await Promise.all(crowd.ended)).map((result) => codeOf(result))
  expect(codes.filter((code) => !ends.has(code))).toEqual([])
  expect(codes.filter((code) => code === 'ok').length).toBeGreaterThan(100)

  const [one, two] = [agent(), agent()]
  two.handle(({ payload }) => payload)
  expect(await one.call(two.getDID(), 'afterwards')).toEqual({ ok: true, value: 'afterwards' })
})
